// The image's health check: does what an initiator does. It asks the portal which targets there are, logs in
// to the first, asks which LUNs it has and reads one block of the first. A server that is told to refuse us
// (access list, CHAP, reservation) is healthy, and so is one without targets or LUNs; one that does not
// answer, or cannot read, is not.
//   node healthcheck.mjs [HOST:PORT]      (default 127.0.0.1:3260)
import { once } from 'node:events';
import { Socket } from 'node:net';
import {
  DataIn,
  Deframer,
  decodeText,
  encodePdu,
  encodeText,
  LoginRequest,
  LoginResponse,
  LoginStage,
  LogoutRequest,
  Opcode,
  RESERVED_TAG,
  ScsiCommand,
  ScsiResponse,
  TextRequest,
} from 'node-iscsi-pdu';

const TIME_LIMIT_MS = 8_000;
const INITIATOR = 'iqn.2026-11.io.snaplun:healthcheck';
/** Each condition that a new session is told of (reset, capacity changed, ...) costs one attempt. */
const ATTEMPTS_MAX = 8;
const CONFLICT = 0x18;
const CHECK_CONDITION = 0x02;
const NOT_READY = 0x02;
const UNIT_ATTENTION = 0x06;

class Refused extends Error {}

/** One connection with one request at a time. */
class Session {
  socket = new Socket();
  #deframer = new Deframer({ maxDataSegmentLength: 1 << 20 });
  #frames = [];
  #wake = () => undefined;
  #ended = false;
  #tag = 0;
  #cmdSN = 1;
  #expStatSN = 0;

  static async open(host, port, pairs) {
    const session = new Session();
    const { socket } = session;
    socket.on('data', (chunk) => session.#receive(chunk));
    socket.on('close', () => session.#end());
    socket.setNoDelay(true).connect(port, host);
    await once(socket, 'connect');
    await session.#login(pairs);
    return session;
  }

  #receive(chunk) {
    this.#deframer.push(chunk);
    for (let frame = this.#deframer.next(); frame !== undefined; frame = this.#deframer.next()) {
      // Whatever the target says of its own accord (NOP-In, asynchronous messages) is not ours to answer
      // here.
      const unasked = frame.opcode === Opcode.NOP_IN || frame.opcode === Opcode.ASYNC_MESSAGE;
      if (!unasked) this.#frames.push(frame);
    }
    this.#wake();
  }

  #end() {
    this.#ended = true;
    this.#wake();
  }

  async #next() {
    while (this.#frames.length === 0) {
      if (this.#ended) throw new Error('the server closed the connection');
      await new Promise((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#frames.shift();
  }

  /** Sends one request; `immediate` ones take no command sequence number of their own. */
  #send(definition, record, data) {
    const numbers = { initiatorTaskTag: this.#tag, cmdSN: this.#cmdSN, expStatSN: this.#expStatSN };
    for (const piece of encodePdu(definition, { ...numbers, ...record }, { data })) this.socket.write(piece);
    this.#tag += 1;
    if (record.immediate !== true) this.#cmdSN += 1;
  }

  async #login(pairs) {
    const stages = {
      transit: true,
      csg: LoginStage.OPERATIONAL_NEGOTIATION,
      nsg: LoginStage.FULL_FEATURE_PHASE,
    };
    const isid = Uint8Array.of(0x80, 0x5a, 0x1e, pairs.length, process.pid & 0xff, (process.pid >> 8) & 0xff);
    const text = encodeText([['InitiatorName', INITIATOR], ...pairs]);
    this.#send(LoginRequest, { immediate: true, ...stages, isid }, text);
    const response = LoginResponse.decode((await this.#next()).bhs);
    this.#expStatSN = (response.statSN + 1) >>> 0;
    if (response.status >> 8 === 2) throw new Refused(`login status ${response.status.toString(16)}`);
    if (response.status !== 0) throw new Error(`login status ${response.status.toString(16)}`);
    // The target wants a security stage of its own: it asks for a secret we do not have.
    if (!response.transit) throw new Refused('the target asks for authentication');
  }

  /** The value of every TargetName the portal tells of. */
  async targetNames() {
    const data = encodeText([['SendTargets', 'All']]);
    this.#send(TextRequest, { final: true, targetTransferTag: RESERVED_TAG }, data);
    const pairs = decodeText((await this.#next()).data);
    return pairs.filter(([key]) => key === 'TargetName').map(([, value]) => value);
  }

  /** Runs a command that reads; returns its status and what came back, sense included. */
  async command(lun, cdb, expectedBytes) {
    const flags = { final: true, read: true, attr: 1, expectedDataTransferLength: expectedBytes };
    this.#send(ScsiCommand, {
      ...flags,
      lun,
      cdb: Uint8Array.from([...cdb, ...Array(16 - cdb.length).fill(0)]),
    });
    const data = new Uint8Array(expectedBytes);
    for (;;) {
      const frame = await this.#next();
      if (frame.opcode === Opcode.DATA_IN) {
        const { bufferOffset, statusPresent, status, statSN } = DataIn.decode(frame.bhs);
        data.set(frame.data.subarray(0, expectedBytes - bufferOffset), bufferOffset);
        if (statusPresent) return this.#finish(statSN, { status, data, senseKey: 0 });
      } else {
        const { status, statSN } = ScsiResponse.decode(frame.bhs);
        // The sense follows a length of two bytes; fixed format has its key in byte 2, descriptor format in
        // byte 1.
        const sense = frame.data.subarray(2);
        const senseKey = (sense[0] & 0x7f) >= 0x72 ? sense[1] & 0x0f : sense[2] & 0x0f;
        return this.#finish(statSN, { status, data, senseKey });
      }
    }
  }

  #finish(statSN, result) {
    this.#expStatSN = (statSN + 1) >>> 0;
    return result;
  }

  async close() {
    this.#send(LogoutRequest, { final: true });
    await this.#next();
    this.socket.end();
  }
}

/** Like `command`, past the unit attentions that a new session is told of. */
async function settle(session, lun, cdb, expectedBytes) {
  let result = await session.command(lun, cdb, expectedBytes);
  for (let attempt = 1; attempt < ATTEMPTS_MAX; attempt += 1) {
    if (result.status !== CHECK_CONDITION || result.senseKey !== UNIT_ATTENTION) break;
    result = await session.command(lun, cdb, expectedBytes);
  }
  return result;
}

async function readOneBlock(session) {
  const reportLuns = [0xa0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0];
  const list = await settle(session, new Uint8Array(8), reportLuns, 0x1000);
  const listBytes = new DataView(list.data.buffer).getUint32(0);
  if (list.status !== 0) throw new Error(`REPORT LUNS: status ${list.status}`);
  if (listBytes < 8) return 'no LUNs';
  const lun = list.data.slice(8, 16);
  const { status, senseKey } = await settle(session, lun, [0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0], 4_096);
  const away = status === CONFLICT || (status === CHECK_CONDITION && senseKey === NOT_READY);
  if (status !== 0 && !away) throw new Error(`READ: status ${status}, sense key ${senseKey}`);
  return status === 0 ? 'read a block' : 'the LUN is held by another initiator, or stopped';
}

async function check(host, port) {
  const discovery = await Session.open(host, port, [['SessionType', 'Discovery']]);
  const [target] = await discovery.targetNames();
  await discovery.close();
  if (target === undefined) return 'no targets for us';
  const session = await Session.open(host, port, [
    ['SessionType', 'Normal'],
    ['TargetName', target],
  ]);
  const found = await readOneBlock(session);
  await session.close();
  return `${target}: ${found}`;
}

const portal = process.argv[2] ?? '127.0.0.1:3260';
const colon = portal.lastIndexOf(':');
setTimeout(() => {
  process.stderr.write(`unhealthy: no answer within ${TIME_LIMIT_MS} ms\n`);
  process.exit(1);
}, TIME_LIMIT_MS).unref();
try {
  const found = await check(portal.slice(0, colon), Number(portal.slice(colon + 1)));
  process.stdout.write(`healthy: ${found}\n`);
  process.exit(0);
} catch (error) {
  const refused = error instanceof Refused;
  process.stdout.write(`${refused ? 'healthy: refuses us: ' : 'unhealthy: '}${error.message}\n`);
  process.exit(refused ? 0 : 1);
}
