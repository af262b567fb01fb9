import { ConnectError, createContextKey, type Interceptor } from "@connectrpc/connect";
import { noteServerTime } from "./clock";

/** Set on a call, it is told the request's headers as they are sent. */
export const onSend = createContextKey<(headers: Headers) => void>(() => {}, { description: "see the headers as they are sent" });

/** Sees requests after every other interceptor: it belongs last. */
export const seenAtTheWire: Interceptor = (next) => (req) => {
  req.contextValues.get(onSend)(req.header);
  return next(req);
};

/** Sees requests to this server as they are sent, and the time of its answers: it belongs last. */
export const atTheWire: Interceptor = (next) => async (req) => {
  try {
    const response = await seenAtTheWire(next)(req);
    noteServerTime(response.header.get("Date"));
    return response;
  } catch (error) {
    if (error instanceof ConnectError) {
      noteServerTime(error.metadata.get("Date"));
    }
    throw error;
  }
};
