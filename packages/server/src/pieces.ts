/**
 * Work that takes too long for one turn of the event loop: a generator that yields after each piece of a millisecond or
 * two. The caller decides when the next piece runs; until the end, nothing else may change what the work reads.
 */
export type Pieces<Result> = Generator<undefined, Result, undefined>
