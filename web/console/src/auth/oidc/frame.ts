import { TokenSourceError } from "@ostiary/client";
import { type Grant, newRequest, redeem } from "./flow";
import { type Issuer, nameOf } from "./issuer";
import { callbacks } from "./pending";

/** How many milliseconds an issuer has to answer in a frame. An issuer that wants to show something does not answer, since nobody sees the frame. */
const answerTimeout = 10_000;

/**
 * Has the issuer give out tokens for its session with the user, in a frame that nobody sees
 * (OpenID Connect Core 1.0, section 3.1.2.1, prompt none). It needs the issuer's cookies, which
 * browsers keep from frames of another site. No answer in time is a failure that passes until the
 * user's present token expires, at a time of this machine's clock.
 */
export async function signInSilently(issuer: Issuer, expires: number): Promise<Grant> {
  const request = await newRequest(issuer, { silent: true });
  return redeem(issuer, request, await answerIn(request.url, nameOf(issuer.issuer), expires));
}

function answerIn(url: URL, name: string, expires: number): Promise<URL> {
  return new Promise((resolve, reject) => {
    const frame = document.createElement("iframe");
    frame.hidden = true;
    frame.title = "Renewing the sign-in";
    // For cookies. It can run no script, open no window, and not lead this one away.
    frame.sandbox.add("allow-same-origin");
    const done = () => {
      clearTimeout(timer);
      frame.remove();
    };
    const timer = setTimeout(() => {
      done();
      const message = `${name} wants you to sign in again, or your browser keeps its cookies from this page.`;
      reject(new TokenSourceError(message, { permanent: Date.now() >= expires }));
    }, answerTimeout);
    frame.onload = () => {
      const at = addressOf(frame);
      if (at?.origin === location.origin && at.pathname.startsWith(callbacks)) {
        done();
        resolve(at);
      }
    };
    frame.src = url.href;
    document.body.append(frame);
  });
}

/** The address of what a frame shows; undefined where it is another's. */
function addressOf(frame: HTMLIFrameElement): URL | undefined {
  try {
    return new URL(frame.contentWindow?.location.href ?? "");
  } catch {
    return undefined;
  }
}
