/**
 * Mode pages of one logical unit (SPC-4 §7.5, SBC-3 §6.5). One copy for all nexuses. A page is its
 * default bytes and a mask of the bits that MODE SELECT may change; the saved values of the
 * changeable bits live in the unit's own state, so that they survive restarts.
 *
 * A page is known by its code and its subpage code together: `subpage << 8 | page`.
 */
import type { LogicalUnit } from '../../lun/logical-unit.ts';
import type { MaybePromise } from '../../lun/units.ts';
import { THRESHOLD_SET_BYTES } from './limits.ts';
import { concatenated, viewOf } from './parameter-data.ts';

const STATE_KEY = 'scsi.mode-pages';

export const ModePage = {
  READ_WRITE_ERROR_RECOVERY: 0x01,
  DISCONNECT_RECONNECT: 0x02,
  CACHING: 0x08,
  CONTROL: 0x0a,
  CONTROL_EXTENSION: 0x010a,
  INFORMATIONAL_EXCEPTIONS_CONTROL: 0x1c,
  LOGICAL_BLOCK_PROVISIONING: 0x021c,
} as const;

/** PAGE CONTROL field (SPC-4 §6.11.3). */
export const PageControl = { CURRENT: 0, CHANGEABLE: 1, DEFAULT: 2, SAVED: 3 } as const;

const WRITE_CACHE_ENABLE = 0x04;
const DESCRIPTOR_FORMAT_SENSE = 0x04;
const SOFTWARE_WRITE_PROTECT = 0x08;
const PARAMETERS_SAVEABLE = 0x80;
/** UA_INTLCK_CTRL in byte 4 of the control page; 01b is reserved (SPC-4 Table 455). */
const INTERLOCK_MASK = 0x30;
const INTERLOCK_KEEPS = 0x20;
const INTERLOCK_RESERVED = 0x10;
/** SPF: the header is that of a subpage, four bytes long. */
export const SUBPAGE_FORMAT = 0x40;
/** SCSIP and IALUAE: SET TIMESTAMP counts most, and target port groups may change by themselves. */
const CONTROL_EXTENSION_BITS = 0x03;

interface PageForm {
  readonly defaults: Uint8Array;
  readonly changeable: Uint8Array;
}

/** A page of `bytes` length with a few bytes set and a few bits changeable. */
function page(
  code: number,
  bytes: number,
  set: Record<number, number>,
  mask: Record<number, number>,
): PageForm {
  const defaults = new Uint8Array(bytes);
  const changeable = new Uint8Array(bytes);
  for (const [at, value] of Object.entries(set)) defaults[Number(at)] = value;
  for (const [at, value] of Object.entries(mask)) changeable[Number(at)] = value;
  const saveable = changeable.some((byte) => byte !== 0) ? PARAMETERS_SAVEABLE : 0;
  for (const form of [defaults, changeable]) {
    if (code > 0xff) form.set([saveable | SUBPAGE_FORMAT | (code & 0x3f), code >> 8, 0, bytes - 4]);
    else form.set([saveable | code, bytes - 2]);
  }
  return { defaults, changeable };
}

/** The pages of a unit, by page code and then subpage code ascending. */
function pagesOf(unit: LogicalUnit): readonly PageForm[] {
  // The operator's word on the write cache is final: without it the bit is zero and stays zero.
  const cache = unit.writeCache ? WRITE_CACHE_ENABLE : 0;
  return [
    page(ModePage.READ_WRITE_ERROR_RECOVERY, 12, {}, {}),
    page(ModePage.DISCONNECT_RECONNECT, 16, {}, {}),
    page(ModePage.CACHING, 20, { 2: cache }, { 2: cache }),
    // QUEUE ALGORITHM MODIFIER 1: SIMPLE tasks may be reordered. BUSY TIMEOUT PERIOD FFFFh: no limit.
    page(
      ModePage.CONTROL,
      12,
      { 3: 0x10, 8: 0xff, 9: 0xff },
      { 2: DESCRIPTOR_FORMAT_SENSE, 4: SOFTWARE_WRITE_PROTECT | INTERLOCK_MASK },
    ),
    page(ModePage.CONTROL_EXTENSION, 32, { 4: CONTROL_EXTENSION_BITS }, {}),
    page(ModePage.INFORMATIONAL_EXCEPTIONS_CONTROL, 12, {}, {}),
    ...provisioningPage(unit),
  ];
}

const PROVISIONING_HEADER_BYTES = 16;
const THRESHOLD_DESCRIPTOR_BYTES = 8;
/** ENABLED; THRESHOLD TYPE 000b: soft; THRESHOLD ARMING 000b: as the resource decreases. */
const SOFT_AND_DECREASING = 0x80;
/** THRESHOLD RESOURCE: what log page 0Ch calls AVAILABLE LBA MAPPING RESOURCE COUNT. */
const AVAILABLE_RESOURCES = 0x01;

/**
 * The Logical Block Provisioning mode page of SBC-3: the operator's soft thresholds, which no initiator
 * changes. SITUA is zero: every nexus is told.
 */
function provisioningPage({ thin, thresholdsBytes }: LogicalUnit): readonly PageForm[] {
  if (!thin || thresholdsBytes === undefined) return [];
  const thresholds = thresholdsBytes();
  const bytes = PROVISIONING_HEADER_BYTES + thresholds.length * THRESHOLD_DESCRIPTOR_BYTES;
  const form = page(ModePage.LOGICAL_BLOCK_PROVISIONING, bytes, {}, {});
  for (const [i, leftBytes] of thresholds.entries()) {
    const at = PROVISIONING_HEADER_BYTES + i * THRESHOLD_DESCRIPTOR_BYTES;
    form.defaults.set([SOFT_AND_DECREASING, AVAILABLE_RESOURCES], at);
    viewOf(form.defaults).setUint32(
      at + 4,
      Math.min(Math.floor(leftBytes / THRESHOLD_SET_BYTES), 0xffffffff),
    );
  }
  return [form];
}

function isSubpage(bytes: Uint8Array): boolean {
  return ((bytes[0] as number) & SUBPAGE_FORMAT) !== 0;
}

function codeOf(bytes: Uint8Array): number {
  return ((bytes[0] as number) & 0x3f) | (isSubpage(bytes) ? (bytes[1] as number) << 8 : 0);
}

/** Length of the whole page that begins here; undefined when not even its header is here. */
export function pageBytes(bytes: Uint8Array): number | undefined {
  if (bytes.byteLength < 2) return undefined;
  if (!isSubpage(bytes)) return 2 + (bytes[1] as number);
  return bytes.byteLength < 4 ? undefined : 4 + viewOf(bytes).getUint16(2);
}

function headerBytes(bytes: Uint8Array): number {
  return isSubpage(bytes) ? 4 : 2;
}

/** `base` with the changeable bits of `from`. */
function merged(form: PageForm, from: Uint8Array): Uint8Array {
  return form.defaults.map((byte, at) => {
    const mask = at < headerBytes(form.defaults) ? 0 : (form.changeable[at] as number);
    return (byte & ~mask) | ((from[at] ?? 0) & mask);
  });
}

export class ModeParameters {
  readonly #unit: LogicalUnit;
  #forms: ReadonlyMap<number, PageForm> = new Map();
  #current = new Map<number, Uint8Array>();
  #saved = new Map<number, Uint8Array>();
  /** Sense data in descriptor format (D_SENSE). */
  descriptorSense = false;
  /** The initiators' own write protection (SWP). */
  softwareWriteProtect = false;
  /** A unit attention stays until REQUEST SENSE asks for it (UA_INTLCK_CTRL 10b and 11b). */
  attentionsStay = false;
  /** BUSY, TASK SET FULL and RESERVATION CONFLICT leave a unit attention (UA_INTLCK_CTRL 11b). */
  statusesAttend = false;
  /** Writes need not be durable before they complete (WCE). */
  writeCacheEnabled = true;

  constructor(unit: LogicalUnit) {
    this.#unit = unit;
    this.reset();
  }

  /** Back to the saved values, as a reset does and a change of the unit by its operator. */
  reset(): void {
    this.#forms = new Map(pagesOf(this.#unit).map((form) => [codeOf(form.defaults), form]));
    this.#saved = this.#load();
    this.#current = new Map(this.#saved);
    this.#derive();
  }

  /** The operator's thresholds are other than they were; all else stays. */
  thresholdsChanged(): void {
    for (const form of provisioningPage(this.#unit)) {
      const code = codeOf(form.defaults);
      this.#forms = new Map([...this.#forms, [code, form]]);
      this.#saved.set(code, form.defaults);
      this.#current.set(code, form.defaults);
    }
  }

  /** Codes of the pages and subpages there are, ascending by page. */
  codes(): readonly number[] {
    return [...this.#forms.keys()];
  }

  page(code: number, control: number): Uint8Array | undefined {
    const form = this.#forms.get(code);
    switch (control) {
      case PageControl.CHANGEABLE:
        return form?.changeable;
      case PageControl.DEFAULT:
        return form?.defaults;
      case PageControl.SAVED:
        return this.#saved.get(code);
      default:
        return this.#current.get(code);
    }
  }

  /**
   * The offset of the first byte of `wanted`, a whole page, that asks for a change of a bit that is not
   * changeable; undefined when the page can be taken. The PS bit is reserved in MODE SELECT and ignored.
   */
  firstRefused(wanted: Uint8Array): number | undefined {
    const code = codeOf(wanted);
    const form = this.#forms.get(code);
    const current = this.#current.get(code);
    if (form === undefined || current === undefined || wanted.length !== current.length) return 0;
    if (code === ModePage.CONTROL && ((wanted[4] as number) & INTERLOCK_MASK) === INTERLOCK_RESERVED)
      return 4;
    for (let at = headerBytes(wanted); at < wanted.length; at += 1) {
      const fixed = ~(form.changeable[at] as number);
      if (((wanted[at] as number) & fixed) !== ((current[at] as number) & fixed)) return at;
    }
    return undefined;
  }

  /** Takes pages that `firstRefused` lets pass. With `save` they are durable when this completes. */
  change(pages: readonly Uint8Array[], save: boolean): MaybePromise<void> {
    for (const wanted of pages) {
      const form = this.#forms.get(codeOf(wanted));
      if (form !== undefined) this.#current.set(codeOf(wanted), merged(form, wanted));
    }
    this.#derive();
    if (!save) return;
    // SP saves every page, whichever the list has (SPC-4 §6.9).
    this.#saved = new Map(this.#current);
    return this.#unit.state.put(STATE_KEY, concatenated(...this.#saved.values()));
  }

  #derive(): void {
    const control = this.#current.get(ModePage.CONTROL);
    const caching = this.#current.get(ModePage.CACHING);
    this.descriptorSense = ((control?.[2] ?? 0) & DESCRIPTOR_FORMAT_SENSE) !== 0;
    this.softwareWriteProtect = ((control?.[4] ?? 0) & SOFTWARE_WRITE_PROTECT) !== 0;
    const interlock = (control?.[4] ?? 0) & INTERLOCK_MASK;
    this.attentionsStay = (interlock & INTERLOCK_KEEPS) !== 0;
    this.statusesAttend = interlock === INTERLOCK_MASK;
    this.writeCacheEnabled = ((caching?.[2] ?? 0) & WRITE_CACHE_ENABLE) !== 0;
  }

  /** Saved pages are whole pages one after another; what is not known any more is left out. */
  #load(): Map<number, Uint8Array> {
    const pages = new Map([...this.#forms].map(([code, form]) => [code, form.defaults]));
    const stored = this.#unit.state.get(STATE_KEY) ?? new Uint8Array(0);
    for (let at = 0; at < stored.length; ) {
      const whole = pageBytes(stored.subarray(at));
      if (whole === undefined) break;
      const bytes = stored.subarray(at, at + whole);
      at += whole;
      const form = this.#forms.get(codeOf(bytes));
      if (form !== undefined && bytes.length === form.defaults.length) {
        pages.set(codeOf(bytes), merged(form, bytes));
      }
    }
    return pages;
  }
}
