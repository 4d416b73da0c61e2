// verify.mjs is the check that a backend in JavaScript or TypeScript makes before it serves a request. Copy it. It needs
// Node 20 and the package jose 6. For Node's own server, tokens are req.headersDistinct['txn-token'] and body is the
// exact bytes that came, before any parser. To call the next server, send the same token as it is, until call.expiry.
import { createHash } from 'node:crypto'
import { compactVerify } from 'jose'

export class Refused extends Error {}
const demand = (ok, why) => { if (!ok) throw new Refused(why) }

const names = new Set(('iss aud iat exp jti txn sub sub_profile req_wl act scope authorization_details tctx rctx par_hash ' +
  'del_depth del_max_depth del_root').split(' ')) // whatever else there is may be a restriction
const kinds = { GET: 'stream', DELETE: 'end', OPTIONS: 'preflight' }

// backend: self (SPIFFE ID), server (name), audience (trust domain), issuer (iss of Countersign), and keys: jose's
// createRemoteJWKSet(new URL('https://…/.well-known/jwks.json')), which caches and refreshes, or createLocalJWKSet(…).
export async function verify(backend, { method, tokens, body }, now = Date.now() / 1000) {
  demand(tokens?.length === 1, 'not exactly one Txn-Token')
  const [token] = tokens
  const parts = token.split('.')
  demand(token.length <= 8192 && parts.length === 3, 'not a compact token')
  demand(parts.every(p => p && Buffer.from(p, 'base64url').toString('base64url') === p), 'not canonical base64url')
  const head = parse(Buffer.from(parts[0], 'base64url'))
  demand(Object.keys(head).sort().join() === 'alg,kid,typ' && head.typ === 'txntoken+jwt', 'not the header of a Txn-Token')
  const { payload } = await compactVerify(token, backend.keys, { algorithms: ['ES256', 'EdDSA'] })
    .catch(e => { throw new Refused(e.message) })

  const c = parse(payload)
  demand(Object.keys(c).every(n => names.has(n)), 'an unknown claim')
  demand(['jti', 'txn', 'sub', 'req_wl'].every(n => c[n] && typeof c[n] === 'string') && typeof c.scope === 'string', 'a claim is missing')
  demand([c.iat, c.exp, c.tctx?.task_exp, c.del_depth, c.del_max_depth].every(Number.isSafeInteger), 'not a whole number')
  demand(c.iss === backend.issuer && c.aud === backend.audience, 'of another issuer, or for another trust domain')
  demand(c.iat <= now + 30 && now < c.exp && c.iat < c.exp && c.exp - c.iat <= 300 && now < c.tctx.task_exp, 'not in force')
  const actors = []
  for (let a = c.act; a; a = a.act) actors.push(a.sub)
  demand(actors[0] === backend.self && new Set(actors).size === c.del_depth + 1 && actors.length === c.del_depth + 1, 'made for another workload')
  demand(c.del_depth >= 0 && c.del_depth <= c.del_max_depth && c.del_max_depth <= 4, 'too deep')
  demand(c.del_depth > 0 || !(c.scope || c.tctx.task || c.authorization_details), 'a delegation out of nowhere')

  const mcp = c.rctx?.mcp
  demand(mcp?.srv === backend.server, 'for another server')
  demand(mcp.req_s256 === createHash('sha256').update(body).digest('base64url'), 'for another body')
  const message = method === 'POST' ? parse(body) : undefined
  const name = method !== 'POST' ? kinds[method] : Array.isArray(message) ? 'batch' : 'method' in message ? message.method : 'response'
  demand(mcp.mth === name && mcp.tool === (name === 'tools/call' ? message.params?.name : undefined), 'for another call')
  const delegated = c.del_depth > 0 // otherwise the calling workload acts for itself
  return {
    hasDelegation: delegated, subject: delegated ? c.sub : '', peer: delegated ? actors[1] : c.sub, actors,
    task: c.tctx.task, purpose: c.tctx.purpose, expiry: c.exp, scope: c.scope.split(' ').filter(Boolean),
    constraints: c.authorization_details ?? [], txn: c.txn, method: mcp.mth, tool: mcp.tool ?? '', token,
  }
}

// parse reads JSON, and refuses a name that comes twice in one object, of which JSON.parse would keep the last.
function parse(bytes) {
  let value, text
  try {
    value = JSON.parse(text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes))
  } catch (e) { throw new Refused(e.message) }
  demand(value && typeof value === 'object', 'not an object')
  const open = []
  for (const [t] of text.matchAll(/"(?:[^"\\]|\\.)*"\s*:?|[{}]/g)) {
    if (t === '{') open.push(new Set())
    else if (t === '}') open.pop()
    else if (t.endsWith(':')) {
      const name = JSON.parse(t.slice(0, -1))
      demand(!open.at(-1).has(name), 'a name comes twice')
      open.at(-1).add(name)
    }
  }
  return value
}
