/**
 * Whether the socket that this process inherited is still open. node:cluster opens a descriptor for the workers and closes it
 * when the last worker that listens has ended. No process can open it again then, and another file soon gets its number. A port
 * has no such problem: the primary binds it again.
 */
import { fstatSync } from 'node:fs'

/** Must be called while the socket is open. The returned function reports whether the descriptor is still the same socket. */
export function watchDescriptor(fd: number): () => boolean {
  const inode = inodeOf(fd)
  return () => inode !== undefined && inodeOf(fd) === inode
}

function inodeOf(fd: number): number | undefined {
  try {
    return fstatSync(fd).ino
  } catch {
    // The descriptor is closed.
    return undefined
  }
}
