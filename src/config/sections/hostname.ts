/** `hostname`: the name by which the relay introduces itself. */
import { type Domain, parseDomain } from '../../mail/index.ts';
import { section } from '../section.ts';
import { domainName } from '../values/mail.ts';

export const hostname = section({
  schema: domainName()
    .optional()
    .describe('The name of the relay in greetings, Received lines and notices. Default: the machine’s name.'),
  effect: 'reload',
  resolve(value, site): Domain {
    const name = value ?? parseDomain(site.machineName);
    if (name === undefined)
      site.find(['hostname'], `the machine is called "${site.machineName}", which is no domain`, 'set it');
    return name ?? ('localhost' as Domain);
  },
});
