/** The types of the package, checked by the compiler; nothing here runs. A line below `@ts-expect-error` must not compile. */
import { type GoogleCredentials, type GoogleDriveConfig, type GoogleDriveFiles, createGoogleDriveBackend } from "@agentos/google-drive";

export function typed(): GoogleDriveFiles {
  const credentials: GoogleCredentials = { clientEmail: "a@example.com", privateKey: "k" };
  // @ts-expect-error half a key
  const half: GoogleCredentials = { clientEmail: "a@example.com" };
  const config: GoogleDriveConfig = { folderId: "f", credentials };
  // @ts-expect-error no such option
  const wrong: GoogleDriveConfig = { folder: "f", credentials };
  void [half, wrong];
  return createGoogleDriveBackend(config);
}
