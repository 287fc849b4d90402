"""What a run must survive: kills, engines that go, crowds of crashes, hostile deeds, full disks."""
