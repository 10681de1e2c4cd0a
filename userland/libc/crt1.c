/* Entry point of a command. */
#include "agentos.h"
#include <stdlib.h>
#include <wasi/api.h>

extern void __wasm_call_ctors(void);
extern void __wasm_call_dtors(void);
extern int __main_void(void);

/* Every guest imports the module, so that the kernel knows which contract it was built for (its root directory then
   stays out of the low descriptors). */
__attribute__((used)) static uint32_t (*const contract)(struct agentos_ids *) = agentos_proc_ids;

__attribute__((export_name("_start"))) void _start(void) {
    __wasm_call_ctors();
    int status = __main_void();
    __wasm_call_dtors();
    if (status != 0) __wasi_proc_exit((__wasi_exitcode_t)status);
}
