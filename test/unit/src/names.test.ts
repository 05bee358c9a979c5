// iSCSI names as RFC 7143 §4.2.7 has them, and portals as the command line writes them.
import { expect, test } from 'vitest';
import { addressText, parseGroupedPortal, parsePortal } from '../../../src/shell/portal.ts';
import { defaultTargetName, iscsiName } from '../../../src/targets/names.ts';

test.each([
  ['iqn.2001-04.com.example:storage.disk2', 'iqn.2001-04.com.example:storage.disk2'],
  ['iqn.2001-04.com.EXAMPLE:Disk', 'iqn.2001-04.com.example:disk'],
  ['eui.02004567A425678D', 'eui.02004567a425678d'],
  ['naa.52004567BA64678D', 'naa.52004567ba64678d'],
])('%s is a name', (text, normalised) => {
  expect(iscsiName(text, 'target')).toBe(normalised);
});

test.each([
  'disk0',
  'iqn.2001-13.com.example:x',
  'iqn.2001-04.com.example:a b',
  'iqn.01-04.com.example',
  'eui.123',
  `iqn.2001-04.com.example:${'x'.repeat(220)}`,
])('%s is none', (text) => {
  expect(() => iscsiName(text, 'target')).toThrow(expect.objectContaining({ code: 'bad-name' }));
});

test.each(['web01', 'Host_With.Odd Letters', '---', ''])(
  'the default target of host "%s" is a name',
  (host) => {
    const name = defaultTargetName(host);
    expect(iscsiName(name, 'target')).toBe(name);
  },
);

test.each([
  ['127.0.0.1:3260', { host: '127.0.0.1', port: 3260 }],
  ['0.0.0.0:0', { host: '0.0.0.0', port: 0 }],
  ['[::1]:860', { host: '::1', port: 860 }],
  ['storage.example', { host: 'storage.example', port: 3260 }],
])('%s is a portal', (text, address) => {
  expect(parsePortal(text)).toEqual(address);
});

test.each(['', ':3260', '::1:3260', '127.0.0.1:99999', '127.0.0.1:abc', '[::1'])(
  '"%s" is no portal',
  (text) => {
    expect(() => parsePortal(text)).toThrow(expect.objectContaining({ code: 'bad-portal' }));
  },
);

test.each([
  ['127.0.0.1:3260', { host: '127.0.0.1', port: 3260, portalGroupTag: undefined }],
  ['127.0.0.1:3260,2', { host: '127.0.0.1', port: 3260, portalGroupTag: 2 }],
  ['[::1],65535', { host: '::1', port: 3260, portalGroupTag: 65_535 }],
])('%s is a portal, perhaps of a group', (text, portal) => {
  expect(parseGroupedPortal(text)).toEqual(portal);
});

test.each(['127.0.0.1:3260,', '127.0.0.1:3260,0', '127.0.0.1:3260,65536', '127.0.0.1:1,x', ',2', 'a,1,2'])(
  '"%s" is no portal of a group',
  (text) => {
    expect(() => parseGroupedPortal(text)).toThrow(expect.objectContaining({ code: 'bad-portal' }));
  },
);

test('addresses are written so that initiators can take them back', () => {
  expect(addressText('::ffff:10.0.2.2', 3260)).toBe('10.0.2.2:3260');
  expect(addressText('fe80::1', 3260)).toBe('[fe80::1]:3260');
});
