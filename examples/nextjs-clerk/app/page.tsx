import Link from "next/link";

export default function Home() {
  return (
    <>
      <h1>Home</h1>
      <p>
        Everybody may read this page. <Link href="/account">Your account</Link> is for you alone.
      </p>
    </>
  );
}
