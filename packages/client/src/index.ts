/**
 * The public door of @lastcall/client: nothing else is public.
 */
export const SUBPROTOCOL = 'lastcall.v1'
