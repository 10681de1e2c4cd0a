import { useEffect, useState } from "react";
import type { Vm } from "./vm.js";

const PORT = 8080;

/** What the VM serves at port 8080, as soon as somebody listens there. The page has an origin of its own. */
export function Preview({ vm, changes }: { vm: Vm; changes: number }) {
  const [url, setUrl] = useState<string>();
  const { handle } = vm;
  useEffect(() => {
    let over = false;
    const look = async (): Promise<void> => {
      await handle.vmFetch(PORT, "/", { method: "HEAD" });
      if (url !== undefined || over) return;
      const preview = await handle.createSignedPreviewUrl(PORT, 3600);
      if (!over) setUrl(preview.url);
    };
    // Nobody listens yet.
    look().catch(() => over || setUrl(undefined));
    return () => {
      over = true;
    };
  }, [handle, changes, url]);
  return (
    <div className="preview" aria-label="Preview" role="region">
      <h2>Preview</h2>
      {url === undefined ? (
        <p>Nothing is served at port {PORT} yet.</p>
      ) : (
        // Another key is another frame: the page is loaded again when something has changed.
        <iframe key={changes} src={url} title="Preview" sandbox="allow-scripts allow-forms allow-same-origin" />
      )}
    </div>
  );
}
