import { ConnectError, createContextKey, type Interceptor } from "@connectrpc/connect";
import { noteServerTime } from "./clock";

/** Set on a call, it is told the request's headers as they are sent. */
export const onSend = createContextKey<(headers: Headers) => void>(() => {}, { description: "see the headers as they are sent" });

/** Sees requests after every other interceptor, and answers before: it belongs last. */
export const atTheWire: Interceptor = (next) => async (req) => {
  req.contextValues.get(onSend)(req.header);
  try {
    const response = await next(req);
    noteServerTime(response.header.get("Date"));
    return response;
  } catch (error) {
    if (error instanceof ConnectError) {
      noteServerTime(error.metadata.get("Date"));
    }
    throw error;
  }
};
