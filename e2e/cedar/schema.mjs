// schema.mjs PACKAGES asks the reference implementations about the schemas that Countersign makes from tools, and writes
// what they say beside them, for Go tests that run without Node.js:
//   rust.json       Cedar's own reading of generated.cedarschema
//   generator.json  the types that cedar-for-agents gives to the arguments of each tool of tools.json
// PACKAGES is the directory where the packages are installed.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(`${process.argv[2]}/`);
const cedar = require('@cedar-policy/cedar-wasm/nodejs');
const generator = require('@cedar-policy/mcp-schema-generator-wasm');

const data = new URL('../../cedar/testdata/schema/', import.meta.url);
const read = (name) => readFileSync(new URL(name, data), 'utf8');
const write = (name, value) => writeFileSync(new URL(name, data), JSON.stringify(value, null, 1) + '\n');

const text = read('generated.cedarschema');
const parsed = cedar.schemaToJson(text);
if (parsed.type !== 'success') throw new Error(JSON.stringify(parsed.errors, null, 1));
write('rust.json', {
  version: cedar.getCedarVersion(),
  sha256: createHash('sha256').update(text).digest('hex'),
  schema: parsed.json,
});

const stub = `namespace M {
  @mcp_principal entity User;
  @mcp_resource entity McpServer;
  action "call_tool" appliesTo { principal: [User], resource: [McpServer] };
}`;

// typeText writes a type in one line, as Countersign does.
function typeText(type, schema, within = []) {
  const at = (name) => name.replace(/^M::/, '');
  switch (type.type) {
    case 'Set':
      return `Set<${typeText(type.element, schema, within)}>`;
    case 'Record': {
      const members = Object.keys(type.attributes).sort();
      if (members.length === 0) return '{}';
      const text = members.map((name) => {
        const attribute = type.attributes[name];
        return `${name}${attribute.required === false ? '?' : ''}: ${typeText(attribute, schema, within)}`;
      });
      return `{ ${text.join(', ')} }`;
    }
    default: {
      const name = at(type.name);
      if (within.includes(name)) return 'itself';
      const common = schema.commonTypes?.[name];
      if (common) return typeText(common, schema, [...within, name]);
      const entity = schema.entityTypes?.[name];
      if (entity?.enum) return `enum(${entity.enum.join(', ')})`;
      if (entity?.tags) {
        return `entity(${typeText(entity.shape ?? { type: 'Record', attributes: {} }, schema, within)}, tags ${typeText(entity.tags, schema, within)})`;
      }
      return name;
    }
  }
}

const types = {};
for (const tool of JSON.parse(read('tools.json')).tools) {
  const config = JSON.stringify({ objectsAsRecords: true, numbersAsDecimal: true, flattenNamespaces: true });
  const answer = JSON.parse(generator.generateSchema(stub, JSON.stringify([tool]), config));
  if (!answer.isOk) {
    types[tool.name] = `error: ${answer.error}`;
    continue;
  }
  const schema = JSON.parse(answer.schemaJson).M;
  types[tool.name] = typeText({ type: 'EntityOrCommon', name: `${tool.name}Input` }, schema);
}
write('generator.json', types);
