"""Frozen value types. Stations exchange these and nothing else.

Every name that this file imports is one that others take from here (pyproject.toml tells ruff and mypy).
"""

__lazy_modules__ = (
    "orchestrator.model.base",
    "orchestrator.model.bisection",
    "orchestrator.model.catalogue",
    "orchestrator.model.cause",
    "orchestrator.model.cell",
    "orchestrator.model.checked",
    "orchestrator.model.code",
    "orchestrator.model.comparison",
    "orchestrator.model.crash",
    "orchestrator.model.download",
    "orchestrator.model.environment",
    "orchestrator.model.estimate",
    "orchestrator.model.evidence",
    "orchestrator.model.explanation",
    "orchestrator.model.image",
    "orchestrator.model.interpreter",
    "orchestrator.model.night",
    "orchestrator.model.packages",
    "orchestrator.model.plan",
    "orchestrator.model.planned_cells",
    "orchestrator.model.rate",
    "orchestrator.model.result",
    "orchestrator.model.root_filesystem",
    "orchestrator.model.scenario",
    "orchestrator.model.selection",
    "orchestrator.model.serving",
    "orchestrator.model.survival",
    "orchestrator.model.terms",
    "orchestrator.model.unobserved",
    "orchestrator.model.user_tests",
)

from orchestrator.binary.arch import MATRIX_ARCHES, Arch
from orchestrator.model.base import SCHEMA, Value
from orchestrator.model.bisection import Bisection, BisectionFinding, Flip, SkippedValue, TestedValue
from orchestrator.model.catalogue import TOOLCHAIN_ARCH, Catalogue, CatalogueParts, MadeOf
from orchestrator.model.cause import Cause, CauseKind, Causes, CauseState, Place, Where
from orchestrator.model.cell import (
    ABSENT,
    AXIS_NAME,
    AXIS_VALUE,
    ENVIRONMENT_AXES,
    FREE_THREADED,
    INSTRUMENT,
    MITIGATION,
    STANDARD_AXES,
    VERSION_AXES,
    Cell,
    in_series,
    is_version,
    orders_as_version,
    version_depth,
    version_key,
)
from orchestrator.model.checked import Checked, CheckedCell, CheckedHit, CheckedPackage, HazardResult
from orchestrator.model.code import COMMIT, CodeFile, PackageAxis, UserCode
from orchestrator.model.comparison import (
    Change,
    ChangeKind,
    Comparison,
    History,
    NotComparable,
    PastCause,
    PastRun,
    RunDigest,
    Side,
    SignatureHistory,
)
from orchestrator.model.crash import (
    Crash,
    CrashSite,
    Environment,
    Excerpt,
    Instruction,
    Module,
    NativeFrame,
    PythonFrame,
    Sender,
    SignalInfo,
    Sysroot,
    Thread,
    Variable,
    Wait,
    WalkedArray,
)
from orchestrator.model.download import (
    Download,
    ImagePin,
    LocalFile,
    Lock,
    MavenFile,
    NpmFile,
    Pin,
    PypiFile,
    UrlFile,
    Wanted,
)
from orchestrator.model.environment import CellEnvironment
from orchestrator.model.estimate import Budget, Estimate, Turn, Turns
from orchestrator.model.evidence import (
    Evidence,
    InstrumentFinding,
    StackRole,
    WantedFinding,
    WatchedFrame,
    WatchedStack,
)
from orchestrator.model.explanation import (
    Boundary,
    Explanation,
    Explanations,
    Finding,
    MixedCell,
    Rule,
    SettlingCell,
    Subject,
)
from orchestrator.model.image import (
    IMAGE,
    LABEL,
    LABEL_CELL,
    LABEL_KEY,
    LABEL_PACKAGES,
    LABEL_RUN,
    REPOSITORY,
    ContextFile,
    ImageKind,
    ImageSpec,
)
from orchestrator.model.interpreter import (
    SYSTEM_PYTHON,
    CopiedPython,
    Interpreter,
    InterpreterKind,
    OwnPython,
)
from orchestrator.model.night import Artifact, TrackedIssue
from orchestrator.model.packages import (
    CellPackages,
    LockedWheel,
    NoWheel,
    PackageLock,
    PackageQuestion,
    SdistBuild,
    SourceBuild,
    WheelPlatform,
    WheelTree,
)
from orchestrator.model.plan import (
    MAX_CELLS,
    PLAN_SCHEMA,
    MissingCells,
    Plan,
    PlannedImage,
    RunIdentity,
    ScenarioText,
)
from orchestrator.model.planned_cells import PlannedCells
from orchestrator.model.rate import Rate
from orchestrator.model.result import (
    CHILD,
    DISK_FULL,
    DUMPING,
    CellHost,
    CellResult,
    CoreFile,
    CoreState,
    Judgement,
    OtherCrash,
    OtherProcess,
    Outcome,
    Trial,
    Verdict,
)
from orchestrator.model.root_filesystem import Base, CrossSysroot, RegistryImage, Suite, registry_of
from orchestrator.model.scenario import (
    AddressRange,
    Children,
    Expectation,
    OutcomeKind,
    ProbeKind,
    ProbeSource,
    Scenario,
    Toolchain,
    scenario_files,
)
from orchestrator.model.selection import (
    Cover,
    Covered,
    ExcludedCell,
    ExcludedCells,
    SelectedCells,
    Selection,
    UnavailableValue,
)
from orchestrator.model.serving import HttpRequest, ServerEnd, Serving
from orchestrator.model.survival import Decision, Survival
from orchestrator.model.terms import CellTerms, PlannedCell, PlannedTerms
from orchestrator.model.unobserved import FailedImage, Obstacle, Unobserved
from orchestrator.model.user_tests import CaseOutcome, UserCase, UserTests
