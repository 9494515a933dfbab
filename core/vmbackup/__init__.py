"""Backups of XenServer and XCP-ng virtual machines."""
