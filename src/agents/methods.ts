import { AgentServiceDefinition } from '../gen/agent/agent.ts';
import { HealthDefinition } from '../gen/agent/health.ts';
import { method } from './ttrpc/method.ts';

const agent = AgentServiceDefinition.methods;

/** The methods of the kata protocol that we call. */
export const KATA = {
  check: method(HealthDefinition, HealthDefinition.methods.check),
  version: method(HealthDefinition, HealthDefinition.methods.version),
  createSandbox: method(AgentServiceDefinition, agent.createSandbox),
  destroySandbox: method(AgentServiceDefinition, agent.destroySandbox),
  createContainer: method(AgentServiceDefinition, agent.createContainer),
  startContainer: method(AgentServiceDefinition, agent.startContainer),
  removeContainer: method(AgentServiceDefinition, agent.removeContainer),
  execProcess: method(AgentServiceDefinition, agent.execProcess),
  signalProcess: method(AgentServiceDefinition, agent.signalProcess),
  waitProcess: method(AgentServiceDefinition, agent.waitProcess),
  pauseContainer: method(AgentServiceDefinition, agent.pauseContainer),
  resumeContainer: method(AgentServiceDefinition, agent.resumeContainer),
  statsContainer: method(AgentServiceDefinition, agent.statsContainer),
  ttyWinResize: method(AgentServiceDefinition, agent.ttyWinResize),
  getMetrics: method(AgentServiceDefinition, agent.getMetrics),
  getGuestDetails: method(AgentServiceDefinition, agent.getGuestDetails),
  setGuestDateTime: method(AgentServiceDefinition, agent.setGuestDateTime),
  reseedRandomDev: method(AgentServiceDefinition, agent.reseedRandomDev),
  getOomEvent: method(AgentServiceDefinition, agent.getOOMEvent),
  writeStdin: method(AgentServiceDefinition, agent.writeStdin),
  readStdout: method(AgentServiceDefinition, agent.readStdout),
  readStderr: method(AgentServiceDefinition, agent.readStderr),
  closeStdin: method(AgentServiceDefinition, agent.closeStdin),
} as const;
