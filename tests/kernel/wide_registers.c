/*
 * Lets User-Mode Linux run on processors with more vector state than it has room for.
 *
 * It sets a process's registers with the 2,696 bytes that AVX-512 takes (linux 6.1: arch/x86/um/user-offsets.c), and the
 * machine's kernel wants all that there is, 11,008 with AMX (arch/x86/kernel/fpu/regset.c), or fails with EFAULT.
 * Preloaded, this puts what User-Mode Linux knows into what the process has.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>

long ptrace(enum __ptrace_request request, ...)
{
    static long (*next)(enum __ptrace_request, pid_t, void *, void *);
    va_list rest;
    pid_t pid;
    void *address, *data;

    if (!next)
        next = dlsym(RTLD_NEXT, "ptrace");
    va_start(rest, request);
    pid = va_arg(rest, pid_t);
    address = va_arg(rest, void *);
    data = va_arg(rest, void *);
    va_end(rest);

    if (request == PTRACE_SETREGSET && (size_t)address == NT_X86_XSTATE) {
        static char whole[1 << 16] __attribute__((aligned(64)));
        struct iovec *given = data, all = {whole, sizeof(whole)};

        if (next(PTRACE_GETREGSET, pid, address, &all) == 0 && given->iov_len < all.iov_len) {
            memcpy(whole, given->iov_base, given->iov_len);
            return next(request, pid, address, &all);
        }
    }
    return next(request, pid, address, data);
}
