export { type MemorySpoolOptions, openMemorySpool } from './memory-spool.ts';
export {
  type Change,
  type Draft,
  type LaneEntry,
  type LaneName,
  type LaneWake,
  type NewLaneEntry,
  type Spool,
  SpoolError,
  type SpoolHealth,
  type StoredOctets,
} from './spool.ts';
