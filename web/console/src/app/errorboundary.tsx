import { Component, type ReactNode } from "react";
import { Failure } from "../ui/failure";

/** Shows what was thrown while the page was rendered, in place of an empty page. */
export class ErrorBoundary extends Component<{ children: ReactNode }, { error?: unknown; failed: boolean }> {
  override state = { failed: false, error: undefined };

  static getDerivedStateFromError(error: unknown) {
    return { failed: true, error };
  }

  override render(): ReactNode {
    if (!this.state.failed) {
      return this.props.children;
    }
    return (
      <main>
        <Failure error={this.state.error} retry={() => location.reload()} />
      </main>
    );
  }
}
