/**
 * The limit line: a TCP server that moves the bytes of an iSCSI target and does nothing else. It takes the
 * same requests, finds where each ends, and answers with a header and, for a read, as many bytes as it asks
 * for, always the same ones.
 */
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { BHS_BYTES, DataIn, Opcode, ScsiCommand, ScsiResponse } from 'node-iscsi-pdu';
import { Skimmer } from './skimmer.ts';

const FLAGS_AT = 1;
const READ_BIT = 1 << ScsiCommand.layout.read.lsb;
const FINAL_AND_STATUS = (1 << DataIn.layout.final.lsb) | (1 << DataIn.layout.statusPresent.lsb);
const FINAL = 1 << ScsiResponse.layout.final.lsb;
const TAG_AT = ScsiCommand.layout.initiatorTaskTag.byte;
const EXPECTED_AT = ScsiCommand.layout.expectedDataTransferLength.byte;
const CMD_SN_AT = ScsiCommand.layout.cmdSN.byte;
const STAT_SN_AT = ScsiResponse.layout.statSN.byte;
const MAX_CMD_SN_AT = ScsiResponse.layout.maxCmdSN.byte;
const LENGTHS_AT = 4;
/** More than the generator ever has outstanding. */
const WINDOW = 256;
/** Answers up to this many bytes lie whole in one ring, larger ones send their data from one place. */
const RING_ANSWER_BYTES_MAX = 16 * 1024;
const RING_BYTES = WINDOW * (BHS_BYTES + RING_ANSWER_BYTES_MAX);
const DATA_BYTES_MAX = 16 * 1024 * 1024;
const data = new Uint8Array(DATA_BYTES_MAX).fill(0x5a);

function serve(socket: Socket): void {
  const ring = new Uint8Array(RING_BYTES).fill(0x5a);
  const ringView = new DataView(ring.buffer);
  let at = 0;
  let sentAt = 0;
  let statSN = 1;
  let corked = false;
  const closeRun = (): void => {
    if (at > sentAt) socket.write(ring.subarray(sentAt, at));
    sentAt = at;
  };
  const begin = (reads: boolean, dataBytes: number): void => {
    ring.fill(0, at, at + BHS_BYTES);
    ring[at] = reads ? Opcode.DATA_IN : Opcode.SCSI_RESPONSE;
    ring[at + FLAGS_AT] = reads ? FINAL_AND_STATUS : FINAL;
    ringView.setUint32(at + LENGTHS_AT, dataBytes);
  };
  let tag = 0;
  let cmdSN = 0;
  let readBytes = 0;
  const skimmer = new Skimmer({
    header(view, headerAt) {
      const reads = (view.getUint8(headerAt + FLAGS_AT) & READ_BIT) !== 0;
      tag = view.getUint32(headerAt + TAG_AT);
      cmdSN = view.getUint32(headerAt + CMD_SN_AT);
      readBytes = reads ? view.getUint32(headerAt + EXPECTED_AT) : 0;
    },
    whole() {
      const inRing = readBytes <= RING_ANSWER_BYTES_MAX;
      const byteCount = BHS_BYTES + (inRing ? readBytes : 0);
      if (at + byteCount > RING_BYTES) {
        closeRun();
        at = 0;
        sentAt = 0;
      }
      begin(readBytes > 0, readBytes);
      ringView.setUint32(at + TAG_AT, tag);
      ringView.setUint32(at + STAT_SN_AT, statSN);
      ringView.setUint32(at + MAX_CMD_SN_AT, (cmdSN + WINDOW) >>> 0);
      statSN = (statSN + 1) >>> 0;
      at += byteCount;
      if (inRing) return;
      if (!corked) socket.cork();
      corked = true;
      closeRun();
      socket.write(data.subarray(0, readBytes));
    },
  });
  socket.on('data', (chunk: Uint8Array) => {
    skimmer.take(chunk);
    closeRun();
    if (corked) socket.uncork();
    corked = false;
  });
  // The generator leaves by destroying its socket.
  socket.on('error', () => socket.destroy());
}

const server = createServer({ noDelay: true, highWaterMark: 1024 * 1024 }, serve);
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
process.on('disconnect', () => process.exit());
