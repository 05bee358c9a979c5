#!/usr/bin/env node
import { X } from 'node-iscsi-pdu';

process.stdout.write(`${X}\n`);
