/** The stubs of every service, and what makes calling them convenient. */
export * from "./gen/reflexio/v1/access_service_pb.js";
export * from "./gen/reflexio/v1/data_service_pb.js";
export * from "./gen/reflexio/v1/error_reason_pb.js";
export * from "./gen/reflexio/v1/interaction_pb.js";
export * from "./gen/reflexio/v1/interaction_service_pb.js";
export * from "./gen/reflexio/v1/learning_pb.js";
export * from "./gen/reflexio/v1/refusal_pb.js";
export * from "./gen/reflexio/v1/request_pb.js";
export * from "./gen/reflexio/v1/request_service_pb.js";
export * from "./gen/reflexio/v1/server_service_pb.js";
export * from "./gen/reflexio/v1/session_pb.js";
export { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "./gen/google/rpc/error_details_pb.js";
export { bearer, retryUnavailable } from "./interceptors.js";
