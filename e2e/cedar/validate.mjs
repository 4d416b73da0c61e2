// validate.mjs PACKAGES asks the reference implementation of Cedar which policies of cedar/testdata/rust/validate.cedar the
// schema beside it admits, and writes its reasons against the others to validate.json there. PACKAGES is the directory where
// the packages of package.json are installed. The schema is written by: go test ./cedar -run TestRustValidation
// -update-rust-schema
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const cedar = createRequire(`${process.argv[2]}/`)('@cedar-policy/cedar-wasm/nodejs');
const here = (name) => new URL(`../../cedar/testdata/rust/${name}`, import.meta.url);
const read = (name) => readFileSync(here(name), 'utf8');
const sum = (text) => createHash('sha256').update(text).digest('hex');

function must(answer) {
  if (answer.type !== 'success') throw new Error(answer.errors.map((e) => e.message).join('; '));
  return answer;
}

const [policies, schema] = [read('validate.cedar'), read('validate.cedarschema')];
const parts = must(cedar.policySetTextToParts(policies)).policies;
const rejected = {};
for (const policy of parts) {
  const { annotations } = must(cedar.policyToJson(policy)).json;
  const { validationErrors } = must(cedar.validate({ schema, policies: { staticPolicies: policy } }));
  if (validationErrors.length > 0) {
    rejected[annotations.id] = [...new Set(validationErrors.map((e) => e.error.message))].sort();
  }
}
const golden = {
  made: `by e2e/cedar/validate.mjs with validate of cedar-wasm ${cedar.getCedarSDKVersion()}`,
  policies_sha256: sum(policies),
  schema_sha256: sum(schema),
  accepted: parts.length - Object.keys(rejected).length,
  rejected,
};
writeFileSync(here('validate.json'), `${JSON.stringify(golden, null, 1)}\n`);
