// answers.mjs PACKAGES answers questions with the reference implementation of Cedar, one line of JSON each: the first line
// has the schema, and every other one is about a policy set, by id, and asks whether the schema admits each policy, or
// what a request is answered. PACKAGES is the directory where the packages are installed.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const cedar = createRequire(`${process.argv[2]}/`)('@cedar-policy/cedar-wasm/nodejs');

function must(answer) {
  if (answer.type !== 'success') throw new Error(answer.errors.map((e) => e.message).join('; '));
  return answer;
}

let schema;

function validate(policies) {
  const answer = cedar.validate({ schema, policies: { staticPolicies: policies } });
  if (answer.type !== 'success') return { failure: answer.errors.map((e) => e.message).join('; ') };
  const rejected = {};
  for (const { policyId, error } of answer.validationErrors) rejected[policyId] ??= error.message;
  return { rejected };
}

function authorize({ policies, request }) {
  if (policies) must(cedar.preparsePolicySet('policies', { staticPolicies: policies }));
  const { response } = must(
    cedar.statefulIsAuthorized({
      ...request,
      preparsedSchemaName: 'schema',
      preparsedPolicySetId: 'policies',
      validateRequest: true,
    }),
  );
  return {
    decision: response.decision,
    reasons: response.diagnostics.reason.sort(),
    errors: response.diagnostics.errors.map((e) => e.policyId).sort(),
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    const asked = JSON.parse(line);
    if (asked.schema !== undefined) {
      schema = asked.schema;
      must(cedar.preparseSchema('schema', schema));
      answer = { versions: cedar.getCedarVersion() };
    } else {
      answer = asked.validate ? validate(asked.validate) : authorize(asked);
    }
  } catch (error) {
    answer = { failure: String(error?.message ?? error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
