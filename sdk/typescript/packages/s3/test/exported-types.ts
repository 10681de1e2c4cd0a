/** The types of the package, checked by the compiler; nothing here runs. A line below `@ts-expect-error` must not compile. */
import { type S3Config, type S3Credentials, type S3Files, createS3Backend } from "@agentos/s3";

export function typed(): S3Files {
  const credentials: S3Credentials = { accessKeyId: "a", secretAccessKey: "b", sessionToken: "c" };
  // @ts-expect-error half a key
  const half: S3Credentials = { accessKeyId: "a" };
  const config: S3Config = { bucket: "b", credentials };
  // @ts-expect-error no such option
  const wrong: S3Config = { bucket: "b", regoin: "eu-west-1" };
  void [half, wrong];
  return createS3Backend(config);
}
