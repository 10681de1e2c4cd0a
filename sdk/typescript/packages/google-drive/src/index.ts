/**
 * Files of a VM in a folder of Google Drive (api.md section 8).
 *
 * ```ts
 * const driver = createGoogleDriveBackend({ folderId: "1AbC", accessToken: () => session.accessToken() });
 * const vm = await AgentOs.create({ software: ["common"], mounts: [{ path: "/drive", driver }] });
 * ```
 */
import { type GoogleDriveConfig, readConfig } from "./config.js";
import { GoogleDriveFiles } from "./files.js";

export type { GoogleCredentials, GoogleDriveConfig } from "./config.js";
export { GoogleDriveFiles } from "./files.js";

/** A filesystem whose files are those of a folder. Nothing is asked of Google before the first call. */
export function createGoogleDriveBackend(config: GoogleDriveConfig): GoogleDriveFiles {
  return new GoogleDriveFiles(readConfig(config));
}

/** The same, under the name that other programs know. */
export class GoogleDriveBlockStore extends GoogleDriveFiles {
  constructor(config: GoogleDriveConfig) {
    super(readConfig(config));
  }
}
