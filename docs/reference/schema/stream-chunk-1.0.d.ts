/**
 * One chunk of a stream, schema version 1.0. The schema grows only by addition: ignore fields and
 * types that you do not know. Generated from the models.
 */
export type StreamChunk =
  | StartChunk
  | ContentChunk
  | ReasoningChunk
  | ToolCallChunk
  | ToolResultChunk
  | UsageChunk
  | NoticeChunk
  | ResetChunk
  | EndChunk
  | ErrorChunk;

/** One request that was made for a stream, and how it went. */
export interface Attempt {
  provider: string;
  model: string;
  /** `ok`, `cancelled`, or the kind of the error it ended in. */
  outcome: string;
  /** The HTTP status, when there was one. */
  status?: number | null;
  /** The service's id of the request. */
  request_id?: string | null;
  /** Milliseconds from the request to its outcome. */
  duration_ms: number;
}

/** A piece of the answer, never empty; all of them joined in order are the answer. */
export interface ContentChunk {
  /** Which chunk this is. */
  type: "content";
  /** The stream's own id, the same on all of its chunks. */
  stream_id: string;
  /** 0, and one more for every chunk of any type; never restarted. */
  index: number;
  /** Which part of the answer a delta belongs to; `null` on chunks that are no delta. */
  part?: number | null;
  /** Milliseconds since the first `next`, by a monotonic clock read once for each network read. */
  elapsed_ms?: number;
  /** More from the provider, under its name; never needed to render the answer. */
  metadata?: Record<string, unknown> | null;
  content: string;
  /** The model declines to answer: text to show, flagged. */
  refusal?: boolean;
}

/** The answer is complete; nothing follows. */
export interface EndChunk {
  /** Which chunk this is. */
  type: "end";
  /** The stream's own id, the same on all of its chunks. */
  stream_id: string;
  /** 0, and one more for every chunk of any type; never restarted. */
  index: number;
  /** Which part of the answer a delta belongs to; `null` on chunks that are no delta. */
  part?: number | null;
  /** Milliseconds since the first `next`, by a monotonic clock read once for each network read. */
  elapsed_ms?: number;
  /** More from the provider, under its name; never needed to render the answer. */
  metadata?: Record<string, unknown> | null;
  finish_reason: "stop" | "length" | "tool_calls" | "content_filter" | "cancelled" | "other";
  /** The service's own word, untouched; `null` when it sent none. */
  raw_finish_reason?: string | null;
  /** The model that answered, as the service names it. */
  model?: string | null;
  /** The service's id of the answer. */
  response_id?: string | null;
  /** Equals the usage chunk. */
  usage?: Usage | null;
  /** Every request that was made. */
  attempts?: Attempt[];
  /** Milliseconds from the first request to the first content. */
  ttfc_ms?: number | null;
}

/** The stream failed; nothing follows. What came before it is kept. */
export interface ErrorChunk {
  /** Which chunk this is. */
  type: "error";
  /** The stream's own id, the same on all of its chunks. */
  stream_id: string;
  /** 0, and one more for every chunk of any type; never restarted. */
  index: number;
  /** Which part of the answer a delta belongs to; `null` on chunks that are no delta. */
  part?: number | null;
  /** Milliseconds since the first `next`, by a monotonic clock read once for each network read. */
  elapsed_ms?: number;
  /** More from the provider, under its name; never needed to render the answer. */
  metadata?: Record<string, unknown> | null;
  error: ErrorInfo;
  /** Something of the answer had been shown. */
  partial: boolean;
  usage?: Usage | null;
  attempts?: Attempt[];
  ttfc_ms?: number | null;
}

/** What went wrong, redacted. */
export interface ErrorInfo {
  /**
   * An open set: `configuration`, `unsupported`, `authentication`, `permission`, `not_found`,
   * `invalid_request`, `context_overflow`, `content_filter`, `tool_use_failed`, `rate_limit`,
   * `quota`, `overloaded`, `provider`, `connection`, `timeout_connect`, `timeout_first_content`,
   * `timeout_idle`, `timeout_total`, `truncated`, `protocol`, `empty_response`, `circuit_open`,
   * `interrupted`, `shutdown`, `plugin`, `unknown`.
   */
  kind: string;
  /** Safe to show to a user; never empty, at most 500 characters. */
  message: string;
  /** For developers. `public()` removes it. */
  detail?: string | null;
  /** Whether asking again may help. */
  retryable: boolean;
  /** Seconds that the service asked to wait. */
  retry_after_s?: number | null;
  /** The HTTP status, when there was one. */
  status?: number | null;
  provider?: string | null;
  model?: string | null;
  /** The service's own word for the error. */
  provider_code?: string | null;
  /** The service's id of the request. */
  request_id?: string | null;
  /** What the kind was decided on. */
  evidence?: string | null;
}

/** Arguments that do not parse as a JSON object. */
export interface InvalidArguments {
  /** The text as it came. */
  text: string;
  /** Why it does not parse. */
  reason: string;
}

/** Something happened that is no end, such as `retrying` or `setting_ignored`. */
export interface NoticeChunk {
  /** Which chunk this is. */
  type: "notice";
  /** The stream's own id, the same on all of its chunks. */
  stream_id: string;
  /** 0, and one more for every chunk of any type; never restarted. */
  index: number;
  /** Which part of the answer a delta belongs to; `null` on chunks that are no delta. */
  part?: number | null;
  /** Milliseconds since the first `next`, by a monotonic clock read once for each network read. */
  elapsed_ms?: number;
  /** More from the provider, under its name; never needed to render the answer. */
  metadata?: Record<string, unknown> | null;
  /** What happened, one word. */
  code: string;
  /** The same as a sentence. */
  message: string;
  /** The number of the attempt it speaks of, from 1. */
  attempt?: number | null;
  /** Seconds that will pass before it. */
  delay_s?: number | null;
  usage?: Usage | null;
}

/** A piece of what the model marks as its thinking. */
export interface ReasoningChunk {
  /** Which chunk this is. */
  type: "reasoning";
  /** The stream's own id, the same on all of its chunks. */
  stream_id: string;
  /** 0, and one more for every chunk of any type; never restarted. */
  index: number;
  /** Which part of the answer a delta belongs to; `null` on chunks that are no delta. */
  part?: number | null;
  /** Milliseconds since the first `next`, by a monotonic clock read once for each network read. */
  elapsed_ms?: number;
  /** More from the provider, under its name; never needed to render the answer. */
  metadata?: Record<string, unknown> | null;
  /** Empty only when redacted, or when the metadata carries a signature. */
  content: string;
  /** The service withholds the text. */
  redacted?: boolean;
}

/** Discard what came after `keep_through`: another attempt begins. */
export interface ResetChunk {
  /** Which chunk this is. */
  type: "reset";
  /** The stream's own id, the same on all of its chunks. */
  stream_id: string;
  /** 0, and one more for every chunk of any type; never restarted. */
  index: number;
  /** Which part of the answer a delta belongs to; `null` on chunks that are no delta. */
  part?: number | null;
  /** Milliseconds since the first `next`, by a monotonic clock read once for each network read. */
  elapsed_ms?: number;
  /** More from the provider, under its name; never needed to render the answer. */
  metadata?: Record<string, unknown> | null;
  reason: string;
  attempt: number;
  provider: string;
  model: string;
  /** The index of the last chunk that still counts. */
  keep_through: number;
}

/** The first chunk, exactly once, before anything is sent. */
export interface StartChunk {
  /** Which chunk this is. */
  type: "start";
  /** The stream's own id, the same on all of its chunks. */
  stream_id: string;
  /** 0, and one more for every chunk of any type; never restarted. */
  index: number;
  /** Which part of the answer a delta belongs to; `null` on chunks that are no delta. */
  part?: number | null;
  /** Milliseconds since the first `next`, by a monotonic clock read once for each network read. */
  elapsed_ms?: number;
  /** More from the provider, under its name; never needed to render the answer. */
  metadata?: Record<string, unknown> | null;
  schema_version?: string;
  provider: string;
  model: string;
  /** The caller's own id for the request, as it was given. */
  request_id?: string | null;
  conversation_id?: string | null;
}

/** A piece of one tool call; several calls may be open at once. */
export interface ToolCallChunk {
  /** Which chunk this is. */
  type: "tool_call";
  /** The stream's own id, the same on all of its chunks. */
  stream_id: string;
  /** 0, and one more for every chunk of any type; never restarted. */
  index: number;
  /** Which part of the answer a delta belongs to; `null` on chunks that are no delta. */
  part?: number | null;
  /** Milliseconds since the first `next`, by a monotonic clock read once for each network read. */
  elapsed_ms?: number;
  /** More from the provider, under its name; never needed to render the answer. */
  metadata?: Record<string, unknown> | null;
  /** The call's id: unique in the stream, the same on every one of its chunks. */
  call_id: string;
  name: string;
  /** The next characters of the arguments; empty on the chunk that is `done`. */
  arguments_delta?: string;
  /** The call is whole: one of `arguments`, `input` and `invalid` is set. */
  done?: boolean;
  /** The parsed arguments, an object. */
  arguments?: Record<string, unknown> | null;
  /** The text given to a free-text tool. */
  input?: string | null;
  /** The arguments do not parse: the raw text, and why. */
  invalid?: InvalidArguments | null;
  /** Who runs the tool: the caller, or the provider itself. */
  executed_by?: "caller" | "provider";
}

/** What a tool gave back: sent by the chat workflow and by tools that the provider runs. */
export interface ToolResultChunk {
  /** Which chunk this is. */
  type: "tool_result";
  /** The stream's own id, the same on all of its chunks. */
  stream_id: string;
  /** 0, and one more for every chunk of any type; never restarted. */
  index: number;
  /** Which part of the answer a delta belongs to; `null` on chunks that are no delta. */
  part?: number | null;
  /** Milliseconds since the first `next`, by a monotonic clock read once for each network read. */
  elapsed_ms?: number;
  /** More from the provider, under its name; never needed to render the answer. */
  metadata?: Record<string, unknown> | null;
  call_id: string;
  name: string;
  output: unknown;
  is_error?: boolean;
  executed_by?: "caller" | "provider";
}

/** Tokens that a request used, counted the same way whatever the service does. */
export interface Usage {
  /** All input tokens, those read from a cache included. */
  input_tokens?: number | null;
  /** All output tokens, those of reasoning included. */
  output_tokens?: number | null;
  /** The part of the output that is reasoning. */
  reasoning_tokens?: number | null;
  /** The part of the input that was read from a cache. */
  cache_read_tokens?: number | null;
  /** The part of the input that was written to a cache. */
  cache_write_tokens?: number | null;
  /** Who counted: the provider, or an estimate. */
  source?: "provider" | "estimated";
}

/** What the request used: a snapshot, at most one, right before the terminal chunk. */
export interface UsageChunk {
  /** Which chunk this is. */
  type: "usage";
  /** The stream's own id, the same on all of its chunks. */
  stream_id: string;
  /** 0, and one more for every chunk of any type; never restarted. */
  index: number;
  /** Which part of the answer a delta belongs to; `null` on chunks that are no delta. */
  part?: number | null;
  /** Milliseconds since the first `next`, by a monotonic clock read once for each network read. */
  elapsed_ms?: number;
  /** More from the provider, under its name; never needed to render the answer. */
  metadata?: Record<string, unknown> | null;
  usage: Usage;
}
