import { ElizaService } from "./gen/connectrpc/eliza/v1/eliza_pb";
import { rule } from "./gen/ostiary/policy/v1/policy_pb";

// The rules are there too, for a page that shows only what its user may do.
console.log(ElizaService.method.say.name, rule.name);
