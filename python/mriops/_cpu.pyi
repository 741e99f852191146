"""
Kernels of mriops for the CPU: addresses and sizes in, nothing checked beyond the sizes.
"""



def isa() -> str:
    """Instruction set in use."""

def isa_choices() -> list[str]:
    """Instruction sets this build and processor can run, slowest first."""

def set_isa(name: str) -> None:
    """Use another instruction set; '' for the best there is."""

def pool_workers() -> int:
    """Threads that the pool has started in this process."""

def version() -> str:
    """Version of mriops these kernels were built from."""

def compiler() -> str:
    """Compiler and its version."""

def sense(image: int, csm: int, mask: int, kspace_out: int, batch: int, maps: int, coils: int, nz: int, ny: int, nx: int, ndim: int, batch_per_csm: int, mask_kind: int, mask_sb: int, mask_sz: int, mask_sy: int, mask_sx: int, dtype: int, workspace: int, lane: int) -> None: ...

def sense_workspace_bytes(batch: int, maps: int, coils: int, nz: int, ny: int, nx: int, ndim: int, batch_per_csm: int, mask_kind: int, mask_sb: int, mask_sz: int, mask_sy: int, mask_sx: int, dtype: int) -> int: ...

def sense_adjoint(kspace: int, csm: int, mask: int, image_out: int, batch: int, maps: int, coils: int, nz: int, ny: int, nx: int, ndim: int, batch_per_csm: int, mask_kind: int, mask_sb: int, mask_sz: int, mask_sy: int, mask_sx: int, dtype: int, workspace: int, lane: int) -> None: ...

def sense_adjoint_workspace_bytes(batch: int, maps: int, coils: int, nz: int, ny: int, nx: int, ndim: int, batch_per_csm: int, mask_kind: int, mask_sb: int, mask_sz: int, mask_sy: int, mask_sx: int, dtype: int) -> int: ...

def sense_gram(image: int, csm: int, mask: int, image_out: int, batch: int, maps: int, coils: int, nz: int, ny: int, nx: int, ndim: int, batch_per_csm: int, mask_kind: int, mask_sb: int, mask_sz: int, mask_sy: int, mask_sx: int, dtype: int, workspace: int, lane: int) -> None: ...

def sense_gram_workspace_bytes(batch: int, maps: int, coils: int, nz: int, ny: int, nx: int, ndim: int, batch_per_csm: int, mask_kind: int, mask_sb: int, mask_sz: int, mask_sy: int, mask_sx: int, dtype: int) -> int: ...

def sense_csm_adjoint(kspace: int, image: int, mask: int, csm_out: int, batch: int, maps: int, coils: int, nz: int, ny: int, nx: int, ndim: int, batch_per_csm: int, mask_kind: int, mask_sb: int, mask_sz: int, mask_sy: int, mask_sx: int, dtype: int, workspace: int, lane: int) -> None: ...

def sense_csm_adjoint_workspace_bytes(batch: int, maps: int, coils: int, nz: int, ny: int, nx: int, ndim: int, batch_per_csm: int, mask_kind: int, mask_sb: int, mask_sz: int, mask_sy: int, mask_sx: int, dtype: int) -> int: ...

def coil_expand(image: int, csm: int, out: int, batch: int, maps: int, coils: int, nz: int, ny: int, nx: int, ndim: int, batch_per_csm: int, mask_kind: int, mask_sb: int, mask_sz: int, mask_sy: int, mask_sx: int, dtype: int, workspace: int, lane: int) -> None: ...

def coil_expand_workspace_bytes(batch: int, maps: int, coils: int, nz: int, ny: int, nx: int, ndim: int, batch_per_csm: int, mask_kind: int, mask_sb: int, mask_sz: int, mask_sy: int, mask_sx: int, dtype: int) -> int: ...

def coil_combine(coil_images: int, csm: int, image_out: int, batch: int, maps: int, coils: int, nz: int, ny: int, nx: int, ndim: int, batch_per_csm: int, mask_kind: int, mask_sb: int, mask_sz: int, mask_sy: int, mask_sx: int, dtype: int, workspace: int, lane: int) -> None: ...

def coil_combine_workspace_bytes(batch: int, maps: int, coils: int, nz: int, ny: int, nx: int, ndim: int, batch_per_csm: int, mask_kind: int, mask_sb: int, mask_sz: int, mask_sy: int, mask_sx: int, dtype: int) -> int: ...

def fft(x: int, out: int, batch: int, nz: int, ny: int, nx: int, axes_bits: int, inverse: bool, dtype: int, workspace: int, lane: int) -> None: ...

def fft_workspace_bytes(batch: int, nz: int, ny: int, nx: int, axes_bits: int, inverse: bool, dtype: int) -> int: ...
