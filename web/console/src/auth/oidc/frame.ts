import { TokenSourceError } from "@ostiary/client";
import { type Grant, newRequest, redeem } from "./flow";
import { type Issuer, nameOf } from "./issuer";
import { callbackPath } from "./pending";

/** How many milliseconds an issuer has to answer in a frame. It shows something to the user, whom nobody sees there, where it does not answer. */
const answerTimeout = 10_000;

/**
 * Has the issuer give out tokens for its session with the user, in a frame that nobody sees
 * (OpenID Connect Core 1.0, section 3.1.2.1, prompt none). It needs the issuer's cookies, which
 * browsers keep from frames of another site.
 */
export async function signInSilently(issuer: Issuer): Promise<Grant> {
  const request = await newRequest(issuer, { silent: true });
  return redeem(issuer, request, await answerIn(request.url, nameOf(issuer.issuer)));
}

function answerIn(url: URL, name: string): Promise<URLSearchParams> {
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
      reject(new TokenSourceError(`${name} wants you to sign in again, or your browser keeps its cookies from this page.`, { permanent: true }));
    }, answerTimeout);
    frame.onload = () => {
      const at = addressOf(frame);
      if (at?.origin === location.origin && at.pathname === callbackPath) {
        done();
        resolve(at.searchParams);
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
