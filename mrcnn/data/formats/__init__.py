"""Readers of annotation formats; `loading.load_dataset` finds the right one."""
