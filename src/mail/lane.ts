/** Names of lanes: a destination with its own concurrency and health, as text on disk and as a value. */

declare const laneBrand: unique symbol;

/**
 * The name of a lane, as it is on disk, in lists and in the log: `mx:example.org`, `smtp:smart.example:587#1f0a22c3`,
 * `capture`. Only `formatLane` makes one and only `parseLane` looks into it; everybody else compares.
 */
export type LaneName = string & { readonly [laneBrand]: true };

/** The parts of a lane's name. */
export interface LaneParts {
  /** How mail leaves by the lane: the name of a transport, or `policy`, `audit` and the like for what does not leave. */
  readonly scheme: string;
  /** Where to, in the words of the transport. Absent where there is one place only. */
  readonly place?: string;
  /**
   * The part that tells two lanes to the same place apart: `#` and eight hex digits over the options of the route,
   * `~2`.
   */
  readonly suffix?: string;
}

/** The name of a lane. */
export function formatLane({ scheme, place, suffix = '' }: LaneParts): LaneName {
  return `${scheme}${place === undefined ? '' : `:${place}`}${suffix}` as LaneName;
}

/** The name that a text is, from the disk or from a person. Every text is one: there may be no route to it. */
export function laneName(text: string): LaneName {
  return text as LaneName;
}

/** Parses a name. A name in an unknown form is all scheme. */
export function parseLane(name: LaneName): LaneParts {
  const [, scheme = name, place, suffix] =
    /^([a-z0-9-]*)(?::(.*?))?((?:#[0-9a-f]{8})?(?:~[0-9]+)?)$/s.exec(name) ?? [];
  return { scheme, ...(place !== undefined && { place }), ...(suffix && { suffix }) };
}
