import { documentation } from "../app/config";
import ui from "../ui/ui.module.css";
import type { Attempt } from "./attempt";

interface Props {
  why: "refused" | "unreachable";
  request: NonNullable<Attempt["request"]>;
}

/** Says why a browser has no answer of a backend, and what to do about it. */
export function NoAnswer({ why, request: { url, headers } }: Props) {
  const { origin } = new URL(url);
  return (
    <div className={ui.failure}>
      {why === "unreachable" ? (
        <p>
          <code>{origin}</code> cannot be reached from this browser. Check that the backend is running, that its URL in the settings is right, and that the
          browser accepts its certificate.
        </p>
      ) : (
        <>
          <p>
            <strong>The browser refuses this call:</strong> <code>{origin}</code> does not allow this page to call it (CORS).
          </p>
          <p>
            In the backend, allow the origin <code>{location.origin}</code>, the method <code>POST</code>, and the headers{" "}
            {headers.map(([name], i) => (
              <span key={name}>
                {i > 0 && ", "}
                <code>{name}</code>
              </span>
            ))}
            .
          </p>
        </>
      )}
      <p>
        <a href={`${documentation}/console.md#what-a-backend-needs`} target="_blank" rel="noreferrer">
          What a backend needs
        </a>
      </p>
    </div>
  );
}
