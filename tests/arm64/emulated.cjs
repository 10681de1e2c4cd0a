// Loaded first by every emulated Node.js: a program that starts "this Node.js" again must start the emulator with it. The host cannot
// execute the file that an emulated process takes itself for.
process.execPath = process.env.AGENTOS_EMULATED_NODE;
