/**
 * Whether the socket that was handed over to this process is still there. node:cluster opens a descriptor for the workers
 * and closes it when the last one that listens has gone; nobody can open it again then, and its number is soon another
 * file's. A port is simply bound anew.
 */
import { fstatSync } from 'node:fs'

/** To be called while it is there. The answer tells whether the descriptor still is the same socket. */
export function watchDescriptor(fd: number): () => boolean {
  const inode = inodeOf(fd)
  return () => inode !== undefined && inodeOf(fd) === inode
}

function inodeOf(fd: number): number | undefined {
  try {
    return fstatSync(fd).ino
  } catch {
    // Nothing is open there.
    return undefined
  }
}
