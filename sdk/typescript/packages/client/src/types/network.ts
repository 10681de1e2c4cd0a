/** Requests to servers in the VM, and previews of them. */
import type { CallOptions } from "./common.js";

/** A request to a server in the VM. */
export interface VmFetchInit extends CallOptions {
  method?: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
}

/** What the server answered. */
export interface VmFetchResponse {
  status: number;
  statusText: string;
  headers: Record<string, string>;
  body: Uint8Array;
}

/** A secret address under which browsers reach a server in the VM. */
export interface SignedPreviewUrl {
  /** To append to `await handle.getGatewayUrl()`. */
  path: string;
  token: string;
  port: number;
  /** Milliseconds since 1970. */
  expiresAt: number;
  /** The form with an origin of its own, when the server has a host for previews. */
  url?: string;
}

/** A preview, without its secret. Times are milliseconds since 1970. */
export interface PreviewInfo {
  id: string;
  port: number;
  createdAt: number;
  expiresAt: number;
}

/** Actions on the VM's network. */
export interface NetworkActions {
  /** A request to a server in the VM. Of the URL only path and query count, an absolute host becomes the `Host` header. */
  vmFetch(port: number, url: string, init?: VmFetchInit): Promise<VmFetchResponse>;
  /** Makes a preview address for a port. */
  createSignedPreviewUrl(port: number, expiresInSeconds?: number): Promise<SignedPreviewUrl>;
  /** Ends a preview by its token, before it returns. */
  expireSignedPreviewUrl(token: string): Promise<void>;
  /** Ends a preview by its id, before it returns. */
  expirePreview(id: string): Promise<void>;
  /** Previews that work. */
  listPreviews(): Promise<PreviewInfo[]>;
}
