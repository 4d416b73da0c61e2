// check.mjs has verify.mjs judge requests. On standard input is one JSON value per line: first the backend, then the
// requests. On standard output is one line for each request.
import { createInterface } from 'node:readline'
import { createLocalJWKSet, createRemoteJWKSet } from 'jose'
import { verify, Refused } from './verify.mjs'

let backend
for await (const line of createInterface({ input: process.stdin })) {
  const value = JSON.parse(line)
  if (!backend) {
    backend = { ...value, keys: value.keys_url ? createRemoteJWKSet(new URL(value.keys_url)) : createLocalJWKSet(value.jwks) }
    continue
  }
  const request = { ...value, body: Buffer.from(value.body, 'base64') }
  try {
    console.log(JSON.stringify({ call: await verify(backend, request, value.now) }))
  } catch (e) {
    if (!(e instanceof Refused)) throw e
    console.log(JSON.stringify({ refused: e.message }))
  }
}
