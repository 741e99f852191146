// A stack to run a thread of the emulated GPU on, and the switch from one to another. Part of gpu_emulator.cpp.
#pragma once
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <stdexcept>

#if !defined(__x86_64__) && !defined(__aarch64__)
#include <ucontext.h>
#define MRIOPS_UCONTEXT 1
#endif

#if defined(__SANITIZE_ADDRESS__)
#define MRIOPS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MRIOPS_ASAN 1
#endif
#endif
#ifdef MRIOPS_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#ifndef MRIOPS_UCONTEXT
// Saves the callee-saved registers on the stack, leaves its address in *from, and continues where `to` was left.
extern "C" __attribute__((visibility("hidden"))) void mriops_emu_switch(void** from, void* to);
#if defined(__x86_64__)
__asm__(
    ".text\n.p2align 4\n.hidden mriops_emu_switch\n.globl mriops_emu_switch\n.type mriops_emu_switch,@function\n"
    "mriops_emu_switch:\n"
    "pushq %rbp\n pushq %rbx\n pushq %r12\n pushq %r13\n pushq %r14\n pushq %r15\n"
    "movq %rsp, (%rdi)\n movq %rsi, %rsp\n"
    "popq %r15\n popq %r14\n popq %r13\n popq %r12\n popq %rbx\n popq %rbp\n ret\n"
    ".size mriops_emu_switch,.-mriops_emu_switch\n");
#else
__asm__(
    ".text\n.p2align 4\n.hidden mriops_emu_switch\n.globl mriops_emu_switch\n.type mriops_emu_switch,%function\n"
    "mriops_emu_switch:\n"
    "sub sp, sp, #160\n"
    "stp x19, x20, [sp]\n stp x21, x22, [sp, #16]\n stp x23, x24, [sp, #32]\n stp x25, x26, [sp, #48]\n"
    "stp x27, x28, [sp, #64]\n stp x29, x30, [sp, #80]\n"
    "stp d8, d9, [sp, #96]\n stp d10, d11, [sp, #112]\n stp d12, d13, [sp, #128]\n stp d14, d15, [sp, #144]\n"
    "mov x9, sp\n str x9, [x0]\n mov sp, x1\n"
    "ldp x19, x20, [sp]\n ldp x21, x22, [sp, #16]\n ldp x23, x24, [sp, #32]\n ldp x25, x26, [sp, #48]\n"
    "ldp x27, x28, [sp, #64]\n ldp x29, x30, [sp, #80]\n"
    "ldp d8, d9, [sp, #96]\n ldp d10, d11, [sp, #112]\n ldp d12, d13, [sp, #128]\n ldp d14, d15, [sp, #144]\n"
    "add sp, sp, #160\n ret\n"
    ".size mriops_emu_switch,.-mriops_emu_switch\n");
#endif
#endif

namespace mriops::emu {

constexpr std::size_t kStackBytes = 256 * 1024;  // committed page by page, as it is touched

// A stack and the place where its execution was left.
struct Fibre {
    void* memory = nullptr;  // one guard page below the stack
    char* bottom = nullptr;
    void* left_at = nullptr;
    void* fake_stack = nullptr;
#ifdef MRIOPS_UCONTEXT
    ucontext_t context;
#endif

    Fibre() = default;
    Fibre(const Fibre&) = delete;
    Fibre& operator=(const Fibre&) = delete;
    ~Fibre() {
        if (memory != nullptr) munmap(memory, kStackBytes + page_bytes());
    }
    static std::size_t page_bytes() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }

    void allocate() {
        const std::size_t page = page_bytes();
        void* const area =
            mmap(nullptr, kStackBytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (area == MAP_FAILED) throw std::runtime_error("mriops emulator: no memory for the stack of a thread");
        mprotect(area, page, PROT_NONE);
        memory = area;
        bottom = static_cast<char*>(area) + page;
    }
    // The next switch to this fibre starts `entry`, which must not return.
    void rewind(void (*entry)()) {
#ifdef MRIOPS_ASAN
        __asan_unpoison_memory_region(bottom, kStackBytes);
#endif
#ifdef MRIOPS_UCONTEXT
        getcontext(&context);
        context.uc_stack.ss_sp = bottom;
        context.uc_stack.ss_size = kStackBytes;
        context.uc_link = nullptr;
        makecontext(&context, entry, 0);
#elif defined(__x86_64__)
        void** top =
            reinterpret_cast<void**>(bottom + kStackBytes) - 8;  // six registers, then the address to return to
        std::memset(top, 0, 64);
        top[6] = reinterpret_cast<void*>(entry);
        left_at = top;
#else
        char* top = bottom + kStackBytes - 160;
        std::memset(top, 0, 160);
        reinterpret_cast<void**>(top)[11] = reinterpret_cast<void*>(entry);  // x30
        left_at = top;
#endif
        fake_stack = nullptr;
    }
};

}  // namespace mriops::emu
