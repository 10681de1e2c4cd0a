import type { PermissionReply, PermissionRequest } from "@agentos/client";

interface Props {
  requests: PermissionRequest[];
  respond(request: PermissionRequest, reply: PermissionReply): void;
}

const REPLIES: [PermissionReply, string][] = [["once", "Allow once"], ["always", "Always"], ["reject", "Reject"]];

/** What the agent waits for. All of it is what the agent says. */
export function Approvals({ requests, respond }: Props) {
  return requests.map((request) => (
    <div className="approval" role="alertdialog" aria-label="Approval" key={request.permissionId}>
      <p>
        <strong>{request.toolKind ?? "tool"}</strong> {request.description}
      </p>
      {request.diff?.map(({ path, newText }) => <pre key={path}>{newText}</pre>)}
      {REPLIES.map(([reply, label]) => (
        <button key={reply} onClick={() => respond(request, reply)}>
          {label}
        </button>
      ))}
    </div>
  ));
}
