import { signIn } from "./actions";

const personas = { ada: "Ada, administrator of Acme", ben: "Ben, member of Acme", cleo: "Cleo, in no organization" };

export function DevSignIn() {
  return (
    <form>
      <p>There is no account at Clerk here. Be one of the development issuer&apos;s personas:</p>
      {Object.entries(personas).map(([name, title]) => (
        <button key={name} formAction={signIn.bind(null, name)}>
          {title}
        </button>
      ))}
    </form>
  );
}
