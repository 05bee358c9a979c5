import {
  decodeText,
  type EncodeOptions,
  encodeText,
  type Frame,
  type Layout,
  LoginRequest,
  LoginResponse,
  type PduDefinition,
  type RecordOf,
  type TextPair,
} from 'node-iscsi-pdu';
import { PduLink } from './pdu-link.ts';
import type { Transport } from './transport.ts';

/** Sends single PDUs and keeps whatever comes back, in order: for scripts that break rules. */
export class RawPeer {
  readonly link: PduLink;
  readonly frames: Frame[] = [];
  closed = false;

  constructor(transport: Transport) {
    this.link = new PduLink(transport);
    this.link.onFrame((frame) => this.frames.push(frame));
    this.link.onClose(() => {
      this.closed = true;
    });
  }

  send<L extends Layout>(
    definition: PduDefinition<L>,
    record: Partial<RecordOf<L>>,
    options: EncodeOptions = {},
  ): void {
    this.link.send(definition, record, options);
  }

  /** The next frame that came, which must be this PDU. */
  take<L extends Layout>(definition: PduDefinition<L>): RecordOf<L> & { readonly data: Uint8Array } {
    const frame = this.frames.shift();
    if (frame === undefined) throw new RangeError(`no ${definition.name} came`);
    if (frame.opcode !== definition.opcode) {
      throw new RangeError(`opcode ${frame.opcode.toString(16)}h came in place of ${definition.name}`);
    }
    return { ...definition.decode(frame.bhs), data: frame.data };
  }

  /** One Login Request, and the response with its keys. */
  login(
    record: Partial<LoginRequest>,
    pairs: readonly TextPair[] | Uint8Array,
  ): LoginResponse & { readonly keys: readonly TextPair[]; readonly data: Uint8Array } {
    const data = pairs instanceof Uint8Array ? pairs : encodeText(pairs);
    this.send(LoginRequest, { isid: Uint8Array.of(0x80, 0, 0, 1, 0, 0), cmdSN: 1, ...record }, { data });
    const response = this.take(LoginResponse);
    return { ...response, keys: response.continue ? [] : decodeText(response.data) };
  }

  /** Into the full feature phase in one request; returns the answers. */
  establish(targetName: string, keys: readonly TextPair[] = []): ReadonlyMap<string, string> {
    const names: TextPair[] = [
      ['InitiatorName', 'iqn.2026-01.test:raw'],
      ['TargetName', targetName],
    ];
    const response = this.login({ transit: true, csg: 1, nsg: 3 }, [...names, ...keys]);
    if (response.status !== 0 || !response.transit) throw new RangeError(`login status ${response.status}`);
    const answers = new Map(response.keys);
    const digest = (key: string): boolean => answers.get(key) === 'CRC32C';
    this.link.setDigests({ header: digest('HeaderDigest'), data: digest('DataDigest') });
    return answers;
  }
}
