// parse.mjs PACKAGES asks the reference implementation of Cedar whether it accepts the policies of
// cedar/syntax/testdata/accept.json and writes there why it refuses others. PACKAGES is the directory where the packages of
// package.json are installed: .cache/cedar after e2e/tools/node.sh e2e/cedar/package.json cedar.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const cedar = createRequire(`${process.argv[2]}/`)('@cedar-policy/cedar-wasm/nodejs');
const file = new URL('../../cedar/syntax/testdata/accept.json', import.meta.url);

const lines = JSON.parse(readFileSync(file, 'utf8')).map(({ name, text }) => {
  const answer = cedar.checkParsePolicySet({ staticPolicies: text });
  const refused = answer.type === 'success' ? undefined : answer.errors.map((e) => e.message).join('; ');
  return `  ${JSON.stringify({ name, text, refused })}`;
});
writeFileSync(file, `[\n${lines.join(',\n')}\n]\n`);
