/**
 * An initiator gone mad: it knows the protocol well enough to get far (numbers, tags, digests, what an
 * R2T asks for) and breaks it at random. Everything it does follows from its seed and from what the
 * target answers.
 */
import {
  DataOut,
  encodeLun,
  encodePdu,
  encodeText,
  type Frame,
  type Layout,
  LoginRequest,
  LogoutRequest,
  NopOut,
  Opcode,
  PDUS,
  type PduDefinition,
  R2T,
  RESERVED_TAG,
  type RecordOf,
  ScsiCommand,
  SnackRequest,
  serialAdd,
  TaskManagementRequest,
  type TextPair,
  TextRequest,
  TextResponse,
} from 'node-iscsi-pdu';
import type { Random } from '../support/random.ts';
import { randomCommand } from './cdbs.ts';
import { randomRecord } from './fields.ts';
import { mutatedPdu } from './mutate.ts';

const INITIATOR = 'iqn.2026-01.test:attacker';
const KEYS: Readonly<Record<string, readonly string[]>> = {
  HeaderDigest: ['None', 'CRC32C', 'CRC32C,None', 'MD5', ''],
  DataDigest: ['None', 'CRC32C', 'None,CRC32C', 'x'.repeat(300)],
  InitialR2T: ['Yes', 'No', 'Maybe'],
  ImmediateData: ['Yes', 'No'],
  MaxBurstLength: ['512', '4096', '16776192', '0', '-1', '0x200'],
  FirstBurstLength: ['512', '1024', '16777215', '16777216'],
  MaxRecvDataSegmentLength: ['512', '8192', '262144', '0', '511'],
  MaxOutstandingR2T: ['1', '8', '65535', '65536'],
  MaxConnections: ['1', '65535'],
  ErrorRecoveryLevel: ['0', '2', '3'],
  DefaultTime2Wait: ['0', '2', '3600'],
  DefaultTime2Retain: ['0', '20'],
  DataPDUInOrder: ['Yes', 'No'],
  DataSequenceInOrder: ['Yes', 'No'],
  IFMarker: ['Yes', 'No'],
  TaskReporting: ['RFC3720', 'ResponseFence', 'FastAbort', 'ResponseFence,FastAbort'],
  iSCSIProtocolLevel: ['1', '2', '255'],
  InitiatorAlias: ['mad', 'é'.repeat(100)],
  AuthMethod: ['None', 'CHAP', 'CHAP,None', 'KRB5'],
  CHAP_A: ['5', '5,7', '99'],
  CHAP_R: ['0x00', `0x${'ab'.repeat(600)}`, '0bAAAA'],
  SendTargets: ['All', '', INITIATOR],
  'X-com.example.key': ['1', ''],
};

interface Solicited {
  readonly tag: number;
  readonly transferTag: number;
  readonly offset: number;
  readonly bytes: number;
}

export class Attacker {
  readonly #random: Random;
  readonly #targetName: string;
  #cmdSN: number;
  /** What the target waits for: a number that was lost is sent again, else all that follow would wait. */
  #expCmdSN: number | undefined;
  #expStatSN = 0;
  #loggedIn = false;
  #digests = { headerDigest: false, dataDigest: false };
  #textTag = RESERVED_TAG;
  #solicited: Solicited[] = [];
  readonly #sent: Uint8Array[] = [];

  constructor(random: Random, targetName: string) {
    this.#random = random;
    this.#targetName = targetName;
    this.#cmdSN = random.pick([0, 1, 0x7fff_fffe, 0xffff_fff8, Math.floor(random.next() * 2 ** 32)]);
  }

  /** Learns from an answer. */
  receive(frame: Frame): void {
    const view = new DataView(frame.bhs.buffer, frame.bhs.byteOffset);
    this.#expStatSN = serialAdd(view.getUint32(24), 1);
    if (this.#loggedIn) this.#expCmdSN = view.getUint32(28);
    if (frame.opcode === Opcode.R2T) {
      const r2t = R2T.decode(frame.bhs);
      const { initiatorTaskTag: tag, targetTransferTag: transferTag, bufferOffset: offset } = r2t;
      if (this.#solicited.length < 50)
        this.#solicited.push({ tag, transferTag, offset, bytes: r2t.desiredDataTransferLength });
    } else if (frame.opcode === Opcode.TEXT_RESPONSE) {
      this.#textTag = TextResponse.decode(frame.bhs).targetTransferTag;
    } else if (frame.opcode === Opcode.LOGIN_RESPONSE && view.getUint8(36) === 0) {
      const done = (view.getUint8(1) & 0x83) === 0x83;
      this.#loggedIn ||= done;
    }
  }

  /** The digests that the login agreed on; the owner of the connection reads them from the answers. */
  setDigests(digests: { readonly headerDigest: boolean; readonly dataDigest: boolean }): void {
    this.#digests = digests;
  }

  get loggedIn(): boolean {
    return this.#loggedIn;
  }

  /** The next PDU, or bytes that are none. */
  next(): Uint8Array {
    const random = this.#random;
    const pdu = this.#loggedIn ? this.#fullFeature() : this.#login();
    if (this.#sent.length < 64) this.#sent.push(pdu);
    if (random.chance(0.03)) return random.pick(this.#sent);
    return random.chance(this.#loggedIn ? 0.15 : 0.1) ? mutatedPdu(pdu, random) : pdu;
  }

  #encode<L extends Layout>(
    definition: PduDefinition<L>,
    record: Partial<RecordOf<L>>,
    data?: Uint8Array,
    ahs?: Uint8Array,
  ): Uint8Array {
    const options = {
      ...this.#digests,
      ...(data === undefined ? {} : { data }),
      ...(ahs === undefined ? {} : { ahs }),
    };
    return Uint8Array.from(Buffer.concat(encodePdu(definition, record, options)));
  }

  #pairs(): TextPair[] {
    const random = this.#random;
    const pairs: TextPair[] = [];
    for (const [key, values] of Object.entries(KEYS)) {
      if (random.chance(0.12))
        pairs.push([key, random.chance(0.7) ? (values[0] ?? '') : random.pick(values)]);
    }
    return pairs;
  }

  #login(): Uint8Array {
    const random = this.#random;
    const discovery = random.chance(0.1);
    const names: TextPair[] = [
      ['InitiatorName', random.chance(0.95) ? INITIATOR : String.fromCharCode(random.between(1, 0x3000))],
      discovery ? ['SessionType', 'Discovery'] : ['TargetName', this.#targetName],
    ];
    const plain = random.chance(0.75);
    const pairs = [...names, ...(plain ? this.#goodKeys() : this.#pairs())];
    const csg = random.chance(0.9) ? 1 : random.below(4);
    return this.#encode(
      LoginRequest,
      {
        ...{
          transit: random.chance(0.9),
          continue: random.chance(0.05),
          csg,
          nsg: random.chance(0.9) ? 3 : random.below(4),
        },
        isid: Uint8Array.of(0x80, 0, 0, 9, 0, random.below(2)),
        tsih: random.chance(0.95) ? 0 : random.below(5),
        ...{ cid: 0, initiatorTaskTag: 0, cmdSN: this.#cmdSN, expStatSN: this.#expStatSN },
      },
      encodeText(pairs),
    );
  }

  #goodKeys(): TextPair[] {
    const random = this.#random;
    return [
      ['HeaderDigest', random.chance(0.8) ? 'None' : 'CRC32C'],
      ['DataDigest', random.chance(0.8) ? 'None' : 'CRC32C'],
      ['InitialR2T', random.pick(['Yes', 'No'])],
      ['ImmediateData', random.pick(['Yes', 'No'])],
      ['FirstBurstLength', random.pick(['512', '4096', '65536'])],
      ['MaxBurstLength', random.pick(['1024', '8192', '262144'])],
      ['MaxRecvDataSegmentLength', random.pick(['512', '4096', '65536'])],
      ['MaxOutstandingR2T', random.pick(['1', '4'])],
    ];
  }

  /** The numbers of a request; now and then others than are due. */
  #numbers(): { immediate: boolean; cmdSN: number; expStatSN: number } {
    const random = this.#random;
    const immediate = random.chance(0.15);
    if (this.#expCmdSN !== undefined && random.chance(0.3)) this.#cmdSN = this.#expCmdSN;
    const cmdSN = random.chance(0.94) ? this.#cmdSN : serialAdd(this.#cmdSN, random.between(-5, 140));
    if (!immediate && cmdSN === this.#cmdSN) this.#cmdSN = serialAdd(this.#cmdSN, 1);
    return { immediate, cmdSN, expStatSN: this.#expStatSN };
  }

  #tag(): number {
    return this.#random.chance(0.97) ? this.#random.below(200) : RESERVED_TAG;
  }

  #lun(): Uint8Array {
    const random = this.#random;
    return random.chance(0.95) ? encodeLun(random.below(3)) : random.bytes(8);
  }

  #fullFeature(): Uint8Array {
    const random = this.#random;
    const solicited = this.#solicited.shift();
    if (solicited !== undefined && random.chance(0.85)) return this.#dataOut(solicited);
    const kind = random.next();
    if (kind < 0.68) return this.#command();
    if (kind < 0.74) return this.#stray();
    if (kind < 0.79) return this.#nop();
    if (kind < 0.86) return this.#taskManagement();
    if (kind < 0.91) return this.#text();
    if (kind < 0.915) return this.#logout();
    if (kind < 0.93) return this.#encode(SnackRequest, randomRecord(SnackRequest.layout, random));
    return this.#anything();
  }

  #command(): Uint8Array {
    const random = this.#random;
    const { cdb, direction, dataOut, expectedBytes } = randomCommand(random);
    const write = direction === 'out' || direction === 'both';
    const immediate = random.chance(0.7) ? dataOut.subarray(0, random.pick([0, 512, 4096, 65536])) : dataOut;
    const more = write && random.chance(0.2);
    const ahs = random.chance(0.02) ? random.bytes(4 * random.below(20)) : undefined;
    return this.#encode(
      ScsiCommand,
      {
        ...this.#numbers(),
        ...{
          final: !more,
          read: direction === 'in' || direction === 'both',
          write,
          attr: random.below(random.chance(0.95) ? 4 : 8),
        },
        ...{
          lun: this.#lun(),
          initiatorTaskTag: this.#tag(),
          expectedDataTransferLength: expectedBytes,
          cdb,
        },
      },
      write ? immediate.subarray(0, 65536) : undefined,
      ahs,
    );
  }

  #dataOut({ tag, transferTag, offset, bytes }: Solicited): Uint8Array {
    const random = this.#random;
    const right = random.chance(0.85);
    const count = Math.min(right ? bytes : random.below(2 * bytes + 2), 65536);
    const record = {
      ...{ final: right || random.chance(0.5), initiatorTaskTag: tag, targetTransferTag: transferTag },
      ...{
        expStatSN: this.#expStatSN,
        dataSN: right ? 0 : random.below(3),
        bufferOffset: right ? offset : random.below(9000),
      },
    };
    return this.#encode(DataOut, record, new Uint8Array(count).fill(random.below(256)));
  }

  /** Data-Out that nobody asked for, of a command that may be there. */
  #stray(): Uint8Array {
    const random = this.#random;
    const record = {
      ...{ final: random.chance(0.5), initiatorTaskTag: this.#tag(), expStatSN: this.#expStatSN },
      targetTransferTag: random.chance(0.7) ? RESERVED_TAG : random.below(50),
      ...{ dataSN: random.below(3), bufferOffset: 512 * random.below(10) },
    };
    return this.#encode(DataOut, record, new Uint8Array(512 * random.below(9)));
  }

  #nop(): Uint8Array {
    const random = this.#random;
    const targetTransferTag = random.chance(0.9) ? RESERVED_TAG : random.below(4);
    const tags = { initiatorTaskTag: this.#tag(), targetTransferTag };
    return this.#encode(
      NopOut,
      { ...this.#numbers(), ...tags, lun: this.#lun() },
      random.bytes(random.below(700)),
    );
  }

  #taskManagement(): Uint8Array {
    const random = this.#random;
    return this.#encode(TaskManagementRequest, {
      ...this.#numbers(),
      ...{
        function: random.below(random.chance(0.9) ? 9 : 128),
        lun: this.#lun(),
        initiatorTaskTag: this.#tag(),
      },
      referencedTaskTag: this.#tag(),
      refCmdSN: serialAdd(this.#cmdSN, random.between(-3, 3)),
      expDataSN: random.below(3),
    });
  }

  #text(): Uint8Array {
    const random = this.#random;
    const more = random.chance(0.2);
    const pairs = this.#pairs();
    const targetTransferTag = random.chance(0.5) ? RESERVED_TAG : this.#textTag;
    const record = {
      ...this.#numbers(),
      ...{ final: !more, continue: more, initiatorTaskTag: this.#tag(), targetTransferTag },
    };
    return this.#encode(TextRequest, record, encodeText(pairs).subarray(0, 4096));
  }

  #logout(): Uint8Array {
    const random = this.#random;
    const record = { reasonCode: random.below(4), cid: random.below(2), initiatorTaskTag: this.#tag() };
    return this.#encode(LogoutRequest, { ...this.#numbers(), ...record });
  }

  /** Any PDU there is, those of targets included, with every field random. */
  #anything(): Uint8Array {
    const random = this.#random;
    const definition: PduDefinition = random.pick(PDUS as readonly PduDefinition[]);
    const data = random.bytes(random.chance(0.7) ? 0 : random.below(600));
    return this.#encode(definition, randomRecord(definition.layout, random), data);
  }
}
