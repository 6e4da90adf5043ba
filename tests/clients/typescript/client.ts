// Call every operation of the API, typed by its OpenAPI document, and print the answers as JSON.
// A test generates `schema.ts`, compiles this file, and runs it: node client.js ADDRESS API_KEY USER
import createClient from "openapi-fetch";
import type { operations, paths } from "./schema.js";

declare const process: { argv: string[] };

type Answer = { data?: unknown; error?: unknown; response: Response };

const [, , baseUrl, apiKey = "", user = ""] = process.argv;
const client = createClient<paths>({ baseUrl, headers: { "X-API-Key": apiKey } });
const stranger = createClient<paths>({ baseUrl });
const model_name = "streamflow_churn";

// The type names every operation of the document, so none can be left out here.
const answers: Record<keyof operations, Answer> = {
  predict: await client.POST("/predict", { body: { user_id: user } }),
  predict_batch: await client.POST("/predict/batch", { body: { user_ids: [user, "nobody"] } }),
  get_features: await client.GET("/features/{user_id}", { params: { path: { user_id: user } } }),
  explain: await client.POST("/explain", { body: { user_id: user } }),
  get_health: await client.GET("/health"),
  get_readiness: await client.GET("/ready"),
  get_model: await client.GET("/model"),
  get_inference_server: await client.GET("/v2"),
  get_inference_live: await client.GET("/v2/health/live"),
  get_inference_ready: await client.GET("/v2/health/ready"),
  get_inference_model: await client.GET("/v2/models/{model_name}", {
    params: { path: { model_name } },
  }),
  get_inference_model_ready: await client.GET("/v2/models/{model_name}/ready", {
    params: { path: { model_name } },
  }),
  infer: await client.POST("/v2/models/{model_name}/infer", {
    params: { path: { model_name } },
    body: { inputs: [{ name: "user_id", datatype: "BYTES", shape: [1], data: [user] }] },
  }),
  invoke: await client.POST("/invocations", { body: { inputs: [user] } }),
  ping: await client.GET("/ping", { parseAs: "text" }),
  get_mlflow_version: await client.GET("/version", { parseAs: "text" }),
};

// What the document promises is typed: these lines compile only if the fields have these types.
const prediction = await client.POST("/predict", { body: { user_id: user } });
const probability: number | undefined = prediction.data?.probability;
const monthlyFee: number | null | undefined = prediction.data?.features_used.monthly_fee;
const refused = await stranger.POST("/predict", { body: { user_id: user } });
const refusalCode: string | undefined = refused.error?.code;

// And what the document forbids does not compile.
export async function callWrongly() {
  // @ts-expect-error a key is a text
  await client.POST("/predict", { body: { user_id: 7590 } });
  // @ts-expect-error the API looks up the features of a key
  await client.POST("/invocations", { body: { inputs: [{ monthly_fee: 29.85 }] } });
  // @ts-expect-error there is no such path
  await client.GET("/predictions");
}

const printed = Object.entries(answers).map(([operation, { data, response }]) => [
  operation,
  { status: response.status, data },
]);
console.log(
  JSON.stringify({ answers: Object.fromEntries(printed), probability, monthlyFee, refusalCode }),
);
