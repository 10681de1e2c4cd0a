-- Version 1 of the tables of an actor. Released: changes are new steps, never edits.

CREATE TABLE agent_os_actor (
    only INTEGER PRIMARY KEY CHECK (only = 0),
    actor_id TEXT NOT NULL,
    name TEXT NOT NULL,
    key TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    input BLOB,
    state BLOB
) STRICT;

CREATE TABLE agent_os_meta (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE agent_os_kv (
    key BLOB PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE agent_os_schedules (
    schedule_id TEXT PRIMARY KEY,
    due_at INTEGER NOT NULL,
    action TEXT NOT NULL,
    args BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX agent_os_schedules_due ON agent_os_schedules (due_at, schedule_id);

CREATE TABLE agent_os_queue_messages (
    message_id INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL,
    body BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX agent_os_queue_messages_order ON agent_os_queue_messages (queue, message_id);

CREATE TABLE agent_os_workflows (
    workflow TEXT PRIMARY KEY,
    status TEXT NOT NULL CHECK (status IN ('running', 'complete', 'error')),
    input BLOB NOT NULL,
    outcome BLOB,
    started_at INTEGER NOT NULL,
    finished_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX agent_os_workflows_open ON agent_os_workflows (status) WHERE status = 'running';

CREATE TABLE agent_os_workflow_steps (
    workflow TEXT NOT NULL,
    step TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    result BLOB NOT NULL,
    finished_at INTEGER NOT NULL,
    PRIMARY KEY (workflow, step)
) STRICT, WITHOUT ROWID;

CREATE TABLE agent_os_preview_tokens (
    token_hash BLOB PRIMARY KEY,
    port INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX agent_os_preview_tokens_expiry ON agent_os_preview_tokens (expires_at);

CREATE TABLE agent_os_cron_jobs (
    job_id TEXT PRIMARY KEY,
    schedule TEXT NOT NULL,
    timezone TEXT NOT NULL,
    action TEXT NOT NULL,
    sealed_env BLOB,
    overlap TEXT NOT NULL CHECK (overlap IN ('allow', 'skip', 'queue')),
    created_at INTEGER NOT NULL,
    next_at INTEGER,
    last_at INTEGER,
    run_count INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX agent_os_cron_jobs_next ON agent_os_cron_jobs (next_at) WHERE next_at IS NOT NULL;

CREATE TABLE agent_os_cron_runs (
    run_id INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('queued', 'running', 'complete', 'error', 'skipped')),
    started_at INTEGER,
    finished_at INTEGER,
    error TEXT
) STRICT;
CREATE INDEX agent_os_cron_runs_job ON agent_os_cron_runs (job_id, run_id);
CREATE INDEX agent_os_cron_runs_open ON agent_os_cron_runs (status) WHERE status IN ('queued', 'running');

CREATE TABLE agent_os_sessions (
    session_id TEXT PRIMARY KEY,
    agent_type TEXT NOT NULL,
    agent_session_id TEXT,
    capabilities TEXT NOT NULL,
    agent_info TEXT,
    status TEXT NOT NULL CHECK (status IN ('live', 'suspended', 'closed')),
    cwd TEXT NOT NULL,
    options TEXT NOT NULL DEFAULT '{}',
    sealed_env BLOB,
    next_seq INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    closed_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX agent_os_sessions_age ON agent_os_sessions (created_at, session_id);

CREATE TABLE agent_os_session_events (
    session_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    event TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (session_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE agent_os_permission_grants (
    grant_id TEXT PRIMARY KEY,
    session_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    uses INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX agent_os_permission_grants_session ON agent_os_permission_grants (session_id);

CREATE TABLE agent_os_permission_outcomes (
    permission_id TEXT PRIMARY KEY,
    session_id TEXT NOT NULL,
    outcome TEXT NOT NULL,
    via TEXT NOT NULL,
    resolved_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX agent_os_permission_outcomes_session ON agent_os_permission_outcomes (session_id, resolved_at);
