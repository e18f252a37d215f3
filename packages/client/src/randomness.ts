/**
 * The randomness of the environment. No other module calls its random generators: the option `random` replaces it.
 */

/** A number from 0 to 1, without 1. */
export const systemRandom = Math.random
