/**
 * Files of a VM in an S3-compatible bucket (api.md section 8).
 *
 * ```ts
 * const driver = createS3Backend({ bucket: "work", prefix: "vm-1/", region: "eu-central-1" });
 * const vm = await AgentOs.create({ software: ["common"], mounts: [{ path: "/work", driver }] });
 * ```
 */
import { Bucket } from "./bucket.js";
import { type S3Config, readConfig } from "./config.js";
import { S3Files } from "./files.js";

export type { S3Config, S3Credentials } from "./config.js";
export type { S3Files } from "./files.js";

/** A filesystem whose files are kept in a bucket. Nothing is asked of the bucket before the first call. */
export function createS3Backend(config: S3Config): S3Files {
  const read = readConfig(config);
  return new S3Files(new Bucket(read), read);
}

/** The same with the prefix `agents/<key>/`, behind the configured one, so that agents do not see each other's files. */
export function createS3BackendForAgent(agent: { key: string | readonly string[]; metadata?: unknown }, config: S3Config): S3Files {
  const parts = typeof agent.key === "string" ? [agent.key] : agent.key;
  // One part of a key is one part of the path, whatever is in it.
  const key = parts.map((part) => encodeURIComponent(part).replaceAll(".", "%2E")).join("/");
  return createS3Backend({ ...config, prefix: `${config.prefix ?? ""}agents/${key}/` });
}
