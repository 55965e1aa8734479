'use strict';

// The messages of PROTOCOL.md §12, as frames and back.

const { MAX_NUMBER, parse, stringify } = require('./json.js');

const MAX_BODY = 4 * 1024 * 1024;

class Malformed extends Error {}

// Each type checks a value that was read.

const isNumber = (value) => typeof value === 'bigint' && value <= MAX_NUMBER;
const isFlag = (value) => typeof value === 'boolean';
const isText = (value) => typeof value === 'string';
const isStatus = (value) => ['none', 'done', 'failed'].includes(value);
const isBytes = (value) => isText(value) && Buffer.from(value, 'base64').toString('base64') === value;

const isListOf = (isItem) => (value) => Array.isArray(value) && value.every(isItem);

const isObjectOf = (fields) => (value) =>
  typeof value === 'object' &&
  !Array.isArray(value) &&
  Object.keys(value).length === Object.keys(fields).length &&
  Object.entries(fields).every(([name, isRight]) => Object.hasOwn(value, name) && isRight(value[name]));

// §12.6: a listing has this much of the digest of each block.
const BLOCK_BYTES = 65_536n;
const DIGEST_BYTES = 16;

const ENTRY = { path: isBytes, directory: isFlag, size: isNumber, first: isNumber, digests: isBytes };

function isEntry(value) {
  if (!isObjectOf(ENTRY)(value) || value.path === '') return false;
  const bytes = Buffer.from(value.digests, 'base64').length;
  if (bytes % DIGEST_BYTES !== 0 || (value.directory && (bytes || value.size || value.first))) return false;
  return bytes === 0 || (value.first + blockCount(value) - 1n) * BLOCK_BYTES < value.size;
}

/** How many blocks an entry lists. */
function blockCount({ digests }) {
  return BigInt(Buffer.from(digests, 'base64').length / DIGEST_BYTES);
}

const MESSAGES = {
  hello: {
    protocol: isNumber,
    pair: isText,
    party: isText,
    run: isNumber,
    lease_ns: isNumber,
    promise_ns: isNumber,
    drift_ppm: isNumber,
    expiry_slack_ns: isNumber,
    synchronous: isFlag,
    arbiter: isText,
  },
  'ask-promise': { epoch: isNumber, run: isNumber, sent: isNumber },
  update: { epoch: isNumber, seq: isNumber, operation: isBytes },
  'update-status': { epoch: isNumber, seq: isNumber, status: isStatus, amount: isNumber },
  'copy-begin': { epoch: isNumber, begun: isNumber, upto: isNumber },
  'copy-part': { epoch: isNumber, upto: isNumber, index: isNumber, operation: isBytes },
  'copy-listing': { epoch: isNumber, upto: isNumber, index: isNumber, entries: isListOf(isEntry) },
  'copy-end': { epoch: isNumber, upto: isNumber, parts: isNumber, digest: isBytes },
  released: { epoch: isNumber },
  goodbye: { epoch: isNumber },
  promised: { epoch: isNumber, run: isNumber, sent: isNumber },
  safe: { epoch: isNumber, upto: isNumber, latest: isNumber },
  position: { epoch: isNumber, stored: isNumber, statuses: isNumber, resynchronise: isFlag },
  'copy-lacking': { epoch: isNumber, upto: isNumber, index: isNumber, blocks: isListOf(isNumber) },
  newer: { epoch: isNumber },
  'ask-lease': { epoch: isNumber, run: isNumber, sent: isNumber, promoted: isFlag },
  leased: { epoch: isNumber, run: isNumber, sent: isNumber },
  'not-leased': { epoch: isNumber, run: isNumber, sent: isNumber, current: isNumber, clause: isText, reason: isText },
  'declare-eligible': { epoch: isNumber, version: isNumber, eligible: isFlag },
  recorded: { epoch: isNumber, version: isNumber, eligible: isFlag },
};

/** A message as a frame, in base64, as the adapter's lines have it. */
function encode(kind, fields) {
  const body = Buffer.from(stringify({ kind, ...fields }), 'utf8');
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  return Buffer.concat([length, body]).toString('base64');
}

/** What a frame in base64 says: an object of `kind` and that message's fields. */
function decode(frame) {
  const bytes = Buffer.from(frame, 'base64');
  const length = bytes.length < 4 ? 0 : bytes.readUInt32BE();
  if (length < 2 || length > MAX_BODY || bytes.length !== 4 + length) throw new Malformed('a wrong length');
  let message;
  try {
    message = parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(4)));
  } catch (error) {
    throw new Malformed(error.message);
  }
  const { kind, ...fields } = message;
  if (!isText(kind) || !Object.hasOwn(MESSAGES, kind)) throw new Malformed('an unknown kind');
  if (!isObjectOf(MESSAGES[kind])(fields)) throw new Malformed(`not the fields of ${kind}`);
  return message;
}

/** The fields of a message, picked from a request that has others too. */
function pick(kind, request) {
  return Object.fromEntries(Object.keys(MESSAGES[kind]).map((name) => [name, request[name]]));
}

module.exports = { Malformed, blockCount, decode, encode, pick };
