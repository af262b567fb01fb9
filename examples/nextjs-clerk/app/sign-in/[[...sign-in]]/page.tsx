import { SignIn } from "@clerk/nextjs";
import { DevSignIn } from "@/auth/dev/sign-in";
import { settings } from "@/settings";

export default function SignInPage() {
  return (
    <>
      <h1>Sign in</h1>
      {settings().publishableKey ? <SignIn fallbackRedirectUrl="/account" /> : <DevSignIn />}
    </>
  );
}
